import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Node } from '../../parse/parser.ts'
import { createdSchema, schemaElements } from '../../parse/schema-elements.ts'
import { DEFAULT_SCHEMA, markUnknown, positionAt, type Fold } from './fold.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { roleName } from './grants.ts'
import { setOwner } from './owners.ts'

export function createSchema(fold: Fold, node: Extract<Node, { CreateSchemaStmt: unknown }>['CreateSchemaStmt']): void {
  const owner = node.authrole ? roleName({ RoleSpec: node.authrole }) : null
  const name = createdSchema(node)
  if (fold.catalog.schemas.has(name)) return
  forget(fold, name)
  const grants = defaultGrants(fold, 'schema', '')
  fold.catalog.schemas.set(name, { name, owner, comment: null, grants, position: fold.position })
  const elements = schemaElements(fold.statement)
  if (!elements) return markUnknown(fold, 'create schema with elements')
  foldElements(fold, name, elements)
  if (owner !== null) setOwnerOfAll(fold, name, owner)
}

function foldElements(fold: Fold, schema: string, elements: readonly ParsedStatement[]): void {
  const { statement, position, searchPath } = fold
  fold.searchPath = [schema, ...searchPath]
  for (const element of elements) {
    fold.position = positionAt({ statement, position }, element.start)
    fold.options.watch?.(element, fold.position)
    fold.statement = element
    fold.interpreter.apply(fold, element)
  }
  Object.assign(fold, { statement, position, searchPath })
}

/** What a schema is made with belongs to its owner. */
function setOwnerOfAll({ catalog }: Fold, schema: string, owner: string): void {
  for (const map of [catalog.sequences, catalog.tables, catalog.views])
    for (const own of map.values()) if (own.schema === schema) setOwner(own, owner)
}

export function createExtension(
  fold: Fold,
  node: Extract<Node, { CreateExtensionStmt: unknown }>['CreateExtensionStmt'],
): void {
  const name = node.extname ?? ''
  if (fold.catalog.extensions.has(name)) return
  forget(fold, `extension ${name}`)
  const option = (node.options ?? []).find((item) => 'DefElem' in item && item.DefElem.defname === 'schema')
  const arg = option && 'DefElem' in option ? option.DefElem.arg : undefined
  const given = arg && 'String' in arg ? arg.String.sval : undefined
  const schema = given ?? OWN_SCHEMAS[name] ?? fold.searchPath[0] ?? DEFAULT_SCHEMA
  fold.catalog.extensions.set(name, { name, schema, version: null, position: fold.position })
}

/** Extensions that say themselves where they live. */
const OWN_SCHEMAS: Record<string, string> = { plpgsql: 'pg_catalog', adminpack: 'pg_catalog', pg_cron: 'pg_catalog' }
