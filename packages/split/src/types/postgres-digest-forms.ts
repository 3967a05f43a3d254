/**
 * PostgreSQL's expression for the text that MariaDB prints of a double: without exponent from 1e-15 up to 1e15, and up to
 * 1e16 while there is a fraction; else with an exponent that has no plus sign. Digests on both sides are made of it.
 */
export function doubleTextOnPostgres(sql: string): string {
  const text = `${sql}::text`
  return (
    // by far the most, and printed the same way
    `case when abs(${sql}) >= 1e-4 and abs(${sql}) < 1e15 then ${text} ` +
    `when ${sql} = 0 or abs(${sql}) >= 1e-15 and (abs(${sql}) < 1e15 or abs(${sql}) < 1e16 and ${sql} <> trunc(${sql})) ` +
    `then ${text}::numeric::text ` +
    `when abs(${sql}) < 9007199254740992 or abs(${sql}) > 1e60 or ${text} not like '%.%e+%' then replace(${text}, 'e+', 'e') ` +
    `else (${shortestWithBounds(sql)}) end`
  )
}

/**
 * From 2^53 to 1e60 a shorter number may lie exactly between two doubles. MariaDB prints it where it is read as the right one of
 * them; PostgreSQL prints a longer one.
 */
function shortestWithBounds(sql: string): string {
  const mantissaDigits = `length(split_part(split_part(${sql}::text, 'e', 1), '.', 2))`
  const exponent = `split_part(${sql}::text, 'e+', 2)::int`
  return (
    `select case when n::float8 = ${sql} then left(n::text, case when n < 0 then 2 else 1 end) ` +
    `|| regexp_replace('.' || rtrim(substr(abs(n)::text, 2), '0'), '\\.$', '') || 'e' || length(abs(n)::text) - 1 ` +
    `else replace(${sql}::text, 'e+', 'e') end ` +
    `from round(${sql}::text::numeric, ${mantissaDigits} - 1 - ${exponent}) as n`
  )
}

/** PostgreSQL's expression for the bytes of an address in hex, without those that tell its family. */
export function inetTextOnPostgres(sql: string): string {
  return `encode(substring(inet_send(${sql}) from 5), 'hex')`
}
