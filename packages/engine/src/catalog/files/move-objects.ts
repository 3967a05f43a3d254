import { renamedRelation, renamedRoutine, renamedType } from './apply-renaming.ts'
import type { Fold } from './fold.ts'
import { forget, noteGone } from './gone.ts'
import type { Name } from './names.ts'
import { rekey } from './rekey.ts'

/** Another name or schema for a table (with its indexes and its own sequences), view or sequence. */
export function moveRelation(fold: Fold, from: Name, change: { name?: string; schema?: string }): void {
  const to = moved(from, change)
  const { tables, views, sequences, others } = fold.catalog
  const table = tables.get(from.key)
  if (!table && !views.has(from.key) && !sequences.has(from.key) && !others.has(`foreign table ${from.key}`)) return
  renamedRelation(fold, from, to)
  noteMove(fold, from, to)
  const parts = { schema: to.schema, name: to.name }
  rekey(tables, from.key, to.key, parts)
  rekey(views, from.key, to.key, parts)
  rekey(sequences, from.key, to.key, parts)
  rekey(others, `foreign table ${from.key}`, `foreign table ${to.key}`, parts)
  if (table && change.schema !== undefined) moveSequences(fold, to, change.schema)
}

function moveSequences(fold: Fold, table: Name, schema: string): void {
  const owned = [...fold.catalog.sequences].filter(([, own]) => own.ownedBy?.startsWith(`${table.key}.`))
  for (const [key, { schema: from, name }] of owned)
    if (from !== schema) moveRelation(fold, { schema: from, name, key }, { schema })
  const own = fold.catalog.tables.get(table.key)
  for (const [name, column] of own?.columns ?? []) {
    const { identitySequence } = column
    if (!identitySequence) continue
    const sequence = identitySequence.name.slice(identitySequence.name.indexOf('.') + 1)
    own?.columns.set(name, { ...column, identitySequence: { ...identitySequence, name: `${schema}.${sequence}` } })
  }
}

function moved(from: Name, { name = from.name, schema = from.schema }: { name?: string; schema?: string }): Name {
  return { schema, name, key: `${schema}.${name}` }
}

function noteMove(fold: Fold, from: Name, to: Name): void {
  noteGone(fold, from.key, from.schema === to.schema ? 'renamed' : 'moved', to.key)
  forget(fold, to.key)
}

export function moveType(fold: Fold, from: Name, change: { name?: string; schema?: string }): void {
  const to = moved(from, change)
  if (!fold.catalog.types.has(from.key)) return moveRelation(fold, from, change)
  renamedType(fold, from, to)
  noteMove(fold, from, to)
  rekey(fold.catalog.types, from.key, to.key, { schema: to.schema, name: to.name })
}

export function moveRoutine(fold: Fold, key: string, change: { name?: string; schema?: string }): void {
  const { functions } = fold.catalog
  const routine = functions.get(key)
  if (!routine) return
  const { schema, name, argumentTypes } = routine
  const from = { schema, name, key: `${schema}.${name}` }
  const to = moved(from, change)
  const others = [...functions.values()].filter((own) => own !== routine && own.schema === schema && own.name === name)
  renamedRoutine(
    fold,
    from,
    to,
    argumentTypes.length,
    others.map((own) => own.argumentTypes.length),
  )
  const toKey = `${to.key}(${argumentTypes.join(', ')})`
  noteGone(fold, key, from.schema === to.schema ? 'renamed' : 'moved', toKey)
  forget(fold, toKey)
  rekey(functions, key, toKey, { schema: to.schema, name: to.name })
}
