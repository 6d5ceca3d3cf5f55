// What a grab must know of a sale before Redis decides about everything that changes.

import { eq } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "../db/client.ts";
import { sales } from "../sales/table.ts";

const grabSaleSchema = z.object({
  id: z.number(),
  userLimit: z.number(),
  codeKey: z.string(),
  grabsPerSecond: z.number().nullable(),
  /** Milliseconds since the epoch. */
  opensAt: z.number().nullable(),
  closesAt: z.number().nullable(),
});

export type GrabSale = z.infer<typeof grabSaleSchema>;

/** Reads it as it stands in Redis. Throws when the text is something else. */
export const parseGrabSale = (json: string): GrabSale => grabSaleSchema.parse(JSON.parse(json));

/** Reads it from MySQL; undefined when there is no such sale. */
export async function loadGrabSale(db: Database, saleId: number): Promise<GrabSale | undefined> {
  const [row] = await db
    .select({
      id: sales.id,
      userLimit: sales.userLimit,
      codeKey: sales.codeKey,
      grabsPerSecond: sales.grabsPerSecond,
      opensAt: sales.opensAt,
      closesAt: sales.closesAt,
    })
    .from(sales)
    .where(eq(sales.id, saleId));
  if (row === undefined) return undefined;
  const { opensAt, closesAt, ...rest } = row;
  return {
    ...rest,
    opensAt: opensAt?.getTime() ?? null,
    closesAt: closesAt?.getTime() ?? null,
  };
}
