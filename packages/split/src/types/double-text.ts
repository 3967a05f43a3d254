/**
 * PostgreSQL's expression for the text that MariaDB prints of a double: without exponent from 1e-15 up to 1e15, and up to
 * 1e16 while there is a fraction; else with an exponent that has no plus sign. Digests on both sides are made of it.
 */
export function doubleTextOnPostgres(sql: string): string {
  return (
    `case when ${sql} = 0 or abs(${sql}) >= 1e-15 and (abs(${sql}) < 1e15 or abs(${sql}) < 1e16 and ${sql} <> trunc(${sql})) ` +
    `then ${sql}::text::numeric::text else replace(${sql}::text, 'e+', 'e') end`
  )
}
