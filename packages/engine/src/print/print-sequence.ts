import type { Sequence, SequenceOptions } from '../catalog/model.ts'
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
  const type = sequence.type === 'bigint' ? [] : [`as ${sequence.type}`]
  return [`create sequence ${qualified(sequence)}`, ...type, ...countingClauses(sequence, sequence.type)].join(' ')
}

const LIMITS: Record<string, [minimum: string, maximum: string]> = {
  smallint: ['-32768', '32767'],
  integer: ['-2147483648', '2147483647'],
  bigint: ['-9223372036854775808', '9223372036854775807'],
}

/** How a sequence counts, where it is not the way of its type. */
export function countingClauses(options: SequenceOptions, type: string): string[] {
  const { start, increment, minimum, maximum, cache, cycle } = options
  const [lowest, highest] = LIMITS[type] ?? LIMITS['bigint'] ?? ['', '']
  const isUp = !increment.startsWith('-')
  return [
    ...(increment === '1' ? [] : [`increment by ${increment}`]),
    ...(minimum === (isUp ? '1' : lowest) ? [] : [`minvalue ${minimum}`]),
    ...(maximum === (isUp ? highest : '-1') ? [] : [`maxvalue ${maximum}`]),
    ...(start === (isUp ? minimum : maximum) ? [] : [`start with ${start}`]),
    ...(cache === '1' ? [] : [`cache ${cache}`]),
    ...(cycle ? ['cycle'] : []),
  ]
}

export function ownedByStatement(sequence: Sequence): string {
  const owner = sequence.ownedBy === null ? 'none' : quoteColumnKey(sequence.ownedBy)
  return `alter sequence ${qualified(sequence)} owned by ${owner}`
}
