/** A name as it stands in SQL. Always quoted: reserved words and capitals are then no matter. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteQualified(object: { readonly schema: string; readonly name: string }): string {
  return `${quoteName(object.schema)}.${quoteName(object.name)}`
}

/** A string literal; with standard_conforming_strings on only the quote is special. */
export function quoteLiteral(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
