import type { Catalog } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { relationKey } from './names.ts'

/** Tables, views and sequences that a statement makes, or gives another name when they are new themselves; with the catalog right before it. */
export function newRelations({ node }: ParsedStatement, catalog: Catalog, isNew: (name: string) => boolean): string[] {
  if ('CreateStmt' in node) return unlessThere(relationKey(node.CreateStmt.relation), node.CreateStmt.if_not_exists)
  if ('CreateForeignTableStmt' in node) return [relationKey(node.CreateForeignTableStmt.base?.relation)]
  if ('CreateTableAsStmt' in node)
    return unlessThere(relationKey(node.CreateTableAsStmt.into?.rel), node.CreateTableAsStmt.if_not_exists)
  if ('SelectStmt' in node && node.SelectStmt.intoClause) return [relationKey(node.SelectStmt.intoClause.rel)]
  if ('ViewStmt' in node) return unlessThere(relationKey(node.ViewStmt.view), node.ViewStmt.replace)
  // ALTER TABLE takes sequences too: pg_dump 15 and older gives them their owner so
  if ('CreateSeqStmt' in node)
    return unlessThere(relationKey(node.CreateSeqStmt.sequence), node.CreateSeqStmt.if_not_exists)
  if ('RenameStmt' in node && node.RenameStmt.relation && node.RenameStmt.subname === undefined)
    return moved(relationKey(node.RenameStmt.relation), { name: node.RenameStmt.newname ?? '' })
  if ('AlterObjectSchemaStmt' in node && node.AlterObjectSchemaStmt.relation)
    return moved(relationKey(node.AlterObjectSchemaStmt.relation), { schema: node.AlterObjectSchemaStmt.newschema })
  return []

  function unlessThere(name: string, isTolerant: boolean | undefined): string[] {
    const isThere = catalog.tables.has(name) || catalog.views.has(name) || catalog.sequences.has(name)
    return isTolerant && isThere ? [] : [name]
  }

  function moved(from: string, to: { name?: string; schema?: string | undefined }): string[] {
    if (!isNew(from)) return []
    const [schema = '', name = ''] = from.split('.')
    return [`${to.schema ?? schema}.${to.name ?? name}`]
  }
}
