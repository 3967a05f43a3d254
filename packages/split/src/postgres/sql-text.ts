import type { TableName } from '../model.ts'

/** Quoted always: the names come from a catalog and may be anything. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function qualified({ schema, name }: TableName): string {
  return `${identifier(schema)}.${identifier(name)}`
}

/** COPY and utility statements take no parameters. Needs `standard_conforming_strings`, as sessions of ours have it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

export function columnList(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
