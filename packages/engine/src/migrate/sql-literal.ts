/** A text as an SQL literal; `E''`, so that it means the same whatever standard_conforming_strings says. */
export function textLiteral(text: string): string {
  return `E'${text.replaceAll('\\', String.raw`\\`).replaceAll("'", "''")}'`
}

/** Bytes as an SQL expression of type bytea. */
export function bytesLiteral(bytes: Buffer): string {
  return `pg_catalog.decode('${bytes.toString('hex')}', 'hex')`
}

/** A name in double quotes. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
