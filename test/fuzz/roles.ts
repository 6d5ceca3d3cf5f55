// Which roles an operation is for. The document says it in prose only; so it is found out: who is always refused is
// hardly asked any more, and what is refused to all is asked as all of them.

const ASKED_MIN = 3;
const REFUSED_MAX = 0.5;

export interface Roles {
  mayAsk(operation: string, role: string): boolean;
  learn(operation: string, role: string, status: number): void;
}

export function createRoles(): Roles {
  const counts = new Map<string, { asked: number; refused: number }>();
  const keyOf = (operation: string, role: string) => `${operation} ${role}`;
  return {
    mayAsk(operation, role) {
      const { asked, refused } = counts.get(keyOf(operation, role)) ?? { asked: 0, refused: 0 };
      return asked < ASKED_MIN || refused / asked <= REFUSED_MAX;
    },
    learn(operation, role, status) {
      const key = keyOf(operation, role);
      const { asked, refused } = counts.get(key) ?? { asked: 0, refused: 0 };
      counts.set(key, { asked: asked + 1, refused: refused + (status === 403 ? 1 : 0) });
    },
  };
}
