import { sql } from "drizzle-orm";
import type { Database } from "./client.ts";

/**
 * Looks at the server behind a pool. Returns one sentence per fault, each with its mend; empty when all
 * is well. Throws when the server does not answer.
 */
export async function databaseProblems(db: Database): Promise<string[]> {
  const [rows] = await db.execute(
    sql`SELECT VERSION() AS version, @@character_set_database AS charset, DATABASE() AS name`,
  );
  const { version, charset, name } = (
    rows as unknown as { version: string; charset: string; name: string | null }[]
  )[0] ?? {
    version: "unknown",
    charset: "",
    name: null,
  };
  const problems: string[] = [];
  const maria = /mariadb/i.test(version);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [majorMin, minorMin] = maria ? [10, 6] : [8, 0];
  if (!(major > majorMin || (major === majorMin && minor >= minorMin))) {
    problems.push(
      `the database server is ${version}; MySQL 8.0 or MariaDB 10.6 or newer is needed`,
    );
  }
  if (name === null) {
    problems.push("DATABASE_URL names no database; end it with one, such as /doorbuster");
  } else if (charset !== "utf8mb4") {
    problems.push(
      `the database ${name} has the character set ${charset}; it must be utf8mb4: ALTER DATABASE \`${name}\` CHARACTER SET utf8mb4`,
    );
  }
  return problems;
}

/**
 * What is allowed and weakens a promise: the stream in Redis is trimmed once MySQL has committed, so a MySQL
 * that can forget a commit can lose grants when the machine dies. One sentence each.
 */
export async function databaseWarnings(db: Database): Promise<string[]> {
  const [rows] = await db.execute(
    sql`SELECT @@innodb_flush_log_at_trx_commit AS flush, @@log_bin AS binlog, @@sync_binlog AS sync`,
  );
  const found = (rows as unknown as { flush: number; binlog: number; sync: number }[])[0];
  const warnings: string[] = [];
  const risk = "or set LEDGER_KEEP: a crash of its machine may lose recorded grants";
  if (Number(found?.flush) !== 1) {
    warnings.push(`set innodb_flush_log_at_trx_commit = 1 in the database server, ${risk}`);
  }
  // With a binlog InnoDB asks it, after a crash, which prepared transactions were committed.
  if (Number(found?.binlog) === 1 && Number(found?.sync) !== 1) {
    warnings.push(`set sync_binlog = 1 in the database server, ${risk}`);
  }
  return warnings;
}
