import type { Fold } from './fold.ts'
import { forget, noteGone } from './gone.ts'
import { moveRelation, moveRoutine, moveType } from './move-objects.ts'
import { rekey } from './rekey.ts'

/** ALTER SCHEMA .. RENAME: everything in it moves. */
export function renameSchema(fold: Fold, from: string, to: string): void {
  const { catalog } = fold
  if (!catalog.schemas.has(from)) return
  const inside = <Item extends { schema: string }>(map: Map<string, Item>) =>
    [...map].filter(([, item]) => item.schema === from)
  for (const map of [catalog.tables, catalog.views, catalog.sequences]) {
    for (const [key, { name }] of inside<{ schema: string; name: string }>(map))
      moveRelation(fold, { schema: from, name, key }, { schema: to })
  }
  for (const [key, { name }] of inside(catalog.types)) moveType(fold, { schema: from, name, key }, { schema: to })
  for (const [key] of inside(catalog.functions)) moveRoutine(fold, key, { schema: to })
  for (const map of [catalog.statistics, catalog.others]) {
    for (const [key, item] of inside<{ schema: string; name: string }>(map)) {
      const moved = key.replace(`${from}.${item.name}`, `${to}.${item.name}`)
      rekey(map as Map<string, typeof item>, key, moved, { schema: to })
    }
  }
  for (const [name, extension] of inside(catalog.extensions)) catalog.extensions.set(name, { ...extension, schema: to })
  for (const [name, publication] of catalog.publications) {
    const schemas = publication.schemas.map((schema) => (schema === from ? to : schema)).toSorted()
    catalog.publications.set(name, { ...publication, schemas })
  }
  for (const [n, own] of catalog.defaultPrivileges.entries())
    if (own.schema === from) catalog.defaultPrivileges[n] = { ...own, schema: to }
  noteGone(fold, from, 'renamed', to)
  forget(fold, to)
  rekey(catalog.schemas, from, to, { name: to })
}
