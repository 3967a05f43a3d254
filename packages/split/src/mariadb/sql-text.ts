import type { TableName } from '../model.ts'

export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

export function quoteTable({ schema, name }: TableName): string {
  return `${quoteName(schema)}.${quoteName(name)}`
}

/** For sessions whose sql_mode lets backslashes escape, as all of ours. */
export function quoteText(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}

/** Begins every structure change that we make ourselves, so that the reader of the binlog knows it. */
export const ownStatement = '/* imhotep split */'
