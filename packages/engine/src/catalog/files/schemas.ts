import type { Node } from '../../parse/parser.ts'
import { DEFAULT_SCHEMA, markUnknown, type Fold } from './fold.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { roleName } from './grants.ts'

export function createSchema(fold: Fold, node: Extract<Node, { CreateSchemaStmt: unknown }>['CreateSchemaStmt']): void {
  const owner = node.authrole ? roleName({ RoleSpec: node.authrole }) : null
  const name = node.schemaname ?? owner ?? ''
  if (fold.catalog.schemas.has(name)) return
  forget(fold, name)
  const grants = defaultGrants(fold, 'schema', '')
  fold.catalog.schemas.set(name, { name, owner, comment: null, grants, position: fold.position })
  if (node.schemaElts?.length) markUnknown(fold, 'create schema with elements')
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
