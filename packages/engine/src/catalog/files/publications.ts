import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { Publication, PublishedTable } from '../model.ts'
import type { Fold } from './fold.ts'
import { forget } from './gone.ts'
import { relationName } from './names.ts'
import { qualify } from './qualify.ts'

export function createPublication(
  fold: Fold,
  node: Extract<Node, { CreatePublicationStmt: unknown }>['CreatePublicationStmt'],
): void {
  const name = node.pubname ?? ''
  if (fold.catalog.publications.has(name)) return
  forget(fold, `publication ${name}`)
  const { tables, schemas } = objects(fold, node.pubobjects)
  fold.catalog.publications.set(name, {
    name,
    allTables: node.for_all_tables ?? false,
    tables: sorted(tables),
    schemas: schemas.toSorted(),
    publishes: ['delete', 'insert', 'truncate', 'update'],
    viaRoot: false,
    comment: null,
    owner: null,
    position: fold.position,
    ...options(node.options),
  })
}

export function alterPublication(
  fold: Fold,
  node: Extract<Node, { AlterPublicationStmt: unknown }>['AlterPublicationStmt'],
): void {
  const publication = fold.catalog.publications.get(node.pubname ?? '')
  if (!publication) return
  const given = objects(fold, node.pubobjects)
  const names = new Set(given.tables.map((own) => own.table))
  const otherTables = publication.tables.filter((own) => !names.has(own.table))
  const otherSchemas = publication.schemas.filter((own) => !given.schemas.includes(own))
  const change = (parts: Partial<Publication>) =>
    void fold.catalog.publications.set(publication.name, { ...publication, ...parts })
  if (!node.pubobjects) return change(options(node.options))
  switch (node.action) {
    case 'AP_DropObjects':
      return change({ tables: otherTables, schemas: otherSchemas })
    case 'AP_SetObjects':
      return change({ tables: sorted(given.tables), schemas: given.schemas.toSorted() })
    default:
      return change({
        tables: sorted([...otherTables, ...given.tables]),
        schemas: [...otherSchemas, ...given.schemas].toSorted(),
      })
  }
}

function sorted(tables: PublishedTable[]): PublishedTable[] {
  return tables.toSorted((a, b) => (a.table < b.table ? -1 : 1))
}

function options(items: Node[] | undefined): Partial<Publication> {
  const result: { publishes?: string[]; viaRoot?: boolean } = {}
  for (const item of items ?? []) {
    if (!('DefElem' in item)) continue
    const { defname, arg } = item.DefElem
    const text = arg && 'String' in arg ? (arg.String.sval ?? '') : ''
    if (defname === 'publish')
      result.publishes = text
        .split(',')
        .flatMap((word) => word.trim() || [])
        .toSorted()
    if (defname === 'publish_via_partition_root')
      result.viaRoot =
        arg && 'Boolean' in arg ? arg.Boolean.boolval === true : text === '' || /^(true|on|1|t)$/i.test(text)
  }
  return result
}

function objects(fold: Fold, items: Node[] | undefined): { tables: PublishedTable[]; schemas: string[] } {
  const tables: PublishedTable[] = []
  const schemas: string[] = []
  // An entry that only says `b` behind `table a` is one of the same kind.
  let kind = 'PUBLICATIONOBJ_TABLE'
  for (const item of items ?? []) {
    if (!('PublicationObjSpec' in item)) continue
    const { pubobjtype, name, pubtable } = item.PublicationObjSpec
    if (pubobjtype !== 'PUBLICATIONOBJ_CONTINUATION') kind = String(pubobjtype)
    if (kind === 'PUBLICATIONOBJ_TABLES_IN_SCHEMA') schemas.push(name ?? '')
    else if (kind === 'PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA') schemas.push(fold.searchPath[0] ?? '')
    else if (pubtable) {
      const { key } = relationName(fold, pubtable.relation)
      const columns = pubtable.columns ? path(pubtable.columns) : null
      tables.push({
        table: key,
        columns: columns && byOrdinal(fold, key, columns),
        where: whereText(fold, key, pubtable),
      })
    }
  }
  return { tables, schemas }
}

function byOrdinal({ catalog }: Fold, table: string, columns: string[]): string[] {
  const ordinal = (name: string) => catalog.tables.get(table)?.columns.get(name)?.ordinal ?? 0
  return columns.toSorted((a, b) => ordinal(a) - ordinal(b))
}

type PublishedNode = NonNullable<Extract<Node, { PublicationObjSpec: unknown }>['PublicationObjSpec']['pubtable']>

/** What stands in the parentheses behind the first WHERE after the table. */
function whereText(fold: Fold, table: string, { whereClause, relation }: PublishedNode): string | null {
  if (!whereClause) return null
  const { text, start } = fold.statement
  const from = (relation?.location ?? start) - start
  const tokens = sqlTokens(text)
  const at = tokens.findIndex(
    (token) => token.start > from && token.depth === 0 && token.text.toLowerCase() === 'where',
  )
  const open = tokens[at + 1]
  const close = tokens.find((token, n) => n > at + 1 && token.depth === open?.depth && token.text === ')')
  return open && close ? qualify(fold, 'expression', text.slice(open.end, close.start).trim(), table) : null
}
