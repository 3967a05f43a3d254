import { parseRaw, type Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Index, IndexKey, Table, View } from '../model.ts'
import { collationName, typeCollation } from './collation-name.ts'
import type { Fold } from './fold.ts'
import { qualify } from './qualify.ts'
import { derivedName } from './column-names.ts'
import { listInParentheses, trimmed } from './source-text.ts'
import { sqlTokens } from '../../parse/split-sql.ts'

/**
 * Keys of an index or exclusion constraint. `text` holds their list as its first parentheses; for an exclusion each entry
 * ends at the keyword `with`.
 */
export function indexKeys(
  fold: Fold,
  table: Table | View,
  elements: Node[],
  text: string,
  endWord?: string,
): IndexKey[] {
  const spans = listInParentheses(text, 0)
  return elements.map((element, n) => {
    const node = 'IndexElem' in element ? element.IndexElem : {}
    const descending = node.ordering === 'SORTBY_DESC'
    const span = spans[n]
    return {
      column: node.name ?? null,
      expression:
        node.name || !span
          ? null
          : qualify(fold, 'expression', expressionText(trimmed(text, span), endWord), `${table.schema}.${table.name}`),
      operatorClass: path(node.opclass).at(-1) ?? null,
      collation: node.collation ? keyCollation(fold, table, node.name, path(node.collation)) : null,
      descending,
      nullsFirst:
        node.nulls_ordering === 'SORTBY_NULLS_FIRST' || (descending && node.nulls_ordering !== 'SORTBY_NULLS_LAST'),
    }
  })
}

/** Null where it is that of the column. */
function keyCollation(fold: Fold, table: Table | View, column: string | undefined, names: string[]): string | null {
  const own = 'constraints' in table ? table.columns.get(column ?? '') : undefined
  const ofColumn = own?.collation ?? null
  const name = collationName(fold, names, '') ?? typeCollation(fold.catalog, '')
  return name === (ofColumn ?? typeCollation(fold.catalog, own?.type ?? '')) ? null : name
}

/** An expression key without operator class and order: those follow its closing parenthesis. */
function expressionText(entry: string, endWord: string | undefined): string {
  const tokens = sqlTokens(entry)
  const stop = tokens.find((token) => token.depth === 0 && token.text.toLowerCase() === endWord)
  const last = tokens.findLast(
    (token) => token.depth === 0 && token.text === ')' && token.start < (stop?.start ?? Infinity),
  )
  return last ? entry.slice(0, last.end) : entry
}

/** What an expression key is called in the name of its index. */
function expressionName(expression: string | null): string {
  const parsed = expression === null ? null : parseRaw(`select ${expression}`)
  const [statement] = Array.isArray(parsed) ? parsed : []
  if (!statement || !('SelectStmt' in statement.node)) return 'expr'
  const [target] = statement.node.SelectStmt.targetList ?? []
  const name = target && 'ResTarget' in target ? derivedName(target.ResTarget.val) : '?column?'
  return name === '?column?' ? 'expr' : name
}

/** What the name of an index without one is made from: its keys, then the columns that it includes. */
export function indexNameParts({ keys, include }: Pick<Index, 'keys' | 'include'>): string[] {
  return keyNames([...keys.map((key) => key.column ?? expressionName(key.expression)), ...include])
}

/** Names of keys, made different by numbers. */
export function keyNames(names: string[]): string[] {
  const used: string[] = []
  for (const name of names) {
    let own = name
    for (let n = 1; used.includes(own); n++) own = `${name}${n}`
    used.push(own)
  }
  return used
}

/** Indexes share the names of their schema with tables, views and sequences. */
export function isIndexNameTaken({ catalog }: Fold, schema: string, name: string): boolean {
  const key = `${schema}.${name}`
  if (catalog.tables.has(key) || catalog.views.has(key) || catalog.sequences.has(key)) return true
  return [...catalog.tables.values(), ...catalog.views.values()].some(
    (owner) => owner.schema === schema && owner.indexes.has(name),
  )
}
