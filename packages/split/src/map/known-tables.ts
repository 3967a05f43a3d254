import { parseSql, readModules } from '@imhotep/engine'
import type { KnownTable } from './suggest-map.ts'

/** The tables of our own modules (`schema/<module>/1NN-*.sql`) with the service that each module.json names. */
export async function knownTables(modulesDirectory: string): Promise<KnownTable[]> {
  const found: KnownTable[] = []
  for (const { service, files } of await readModules(modulesDirectory)) {
    for (const { path, text } of files) {
      const { statements } = await parseSql(text, path)
      for (const { node } of statements) {
        const relation = 'CreateStmt' in node ? node.CreateStmt.relation : undefined
        if (relation?.relname) found.push({ schema: relation.schemaname ?? 'public', name: relation.relname, service })
      }
    }
  }
  return found
}
