import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "mysql",
  schema: "./src/**/table.ts",
  out: "./drizzle",
});
