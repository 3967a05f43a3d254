import type { Sequence } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { qualified, quoteColumnKey } from './sql-text.ts'

export function printSequence(sequence: Sequence): UnplacedObject[] {
  const key = `${sequence.schema}.${sequence.name}`
  const made = unplaced(
    `sequence ${key}`,
    sequence.schema,
    { section: 'sequences', phase: 'sequences' },
    [sequenceStatement(sequence)],
    { defines: [key] },
  )
  if (sequence.ownedBy === null) return [made]
  // The table comes first: its default calls the sequence, so the sequence cannot wait for it.
  const place = { section: 'sequences', phase: 'sequence owners' } as const
  return [made, unplaced(`sequence ${key}`, sequence.schema, place, [ownedByStatement(sequence)])]
}

export function sequenceStatement(sequence: Sequence): string {
  return `create sequence ${qualified(sequence)}${sequence.type === 'bigint' ? '' : ` as ${sequence.type}`}`
}

export function ownedByStatement(sequence: Sequence): string {
  const owner = sequence.ownedBy === null ? 'none' : quoteColumnKey(sequence.ownedBy)
  return `alter sequence ${qualified(sequence)} owned by ${owner}`
}
