import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Sequence, SequenceOptions } from '../model.ts'
import type { Fold } from './fold.ts'
import { newName, newRelation, relationName, relationNamed } from './names.ts'
import { typeText } from './format-type.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'

export function createSequence(fold: Fold, node: Extract<Node, { CreateSeqStmt: unknown }>['CreateSeqStmt']): void {
  const { schema, name, key } = newRelation(fold, node.sequence)
  if (node.sequence?.relpersistence === 't' || fold.catalog.sequences.has(key)) return
  const options = sequenceClauses(fold, node.options)
  forget(fold, key)
  fold.catalog.sequences.set(key, {
    schema,
    name,
    type: options.type ?? 'bigint',
    ownedBy: options.ownedBy ?? null,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'sequence', schema),
    position: fold.position,
    ...sequenceOptions(options.type ?? 'bigint', options),
  })
}

export function alterSequence(fold: Fold, node: Extract<Node, { AlterSeqStmt: unknown }>['AlterSeqStmt']): void {
  const { key } = relationName(fold, node.sequence)
  const sequence = fold.catalog.sequences.get(key)
  if (!sequence) return
  const clauses = sequenceClauses(fold, node.options)
  fold.catalog.sequences.set(key, { ...sequence, ...changedSequence(sequence, clauses) })
}

/** What ALTER SEQUENCE makes of a sequence; bounds that are those of the old type become those of the new one. */
function changedSequence(sequence: Sequence, clauses: Clauses): Partial<Sequence> {
  const type = clauses.type ?? sequence.type
  const before = sequenceOptions(sequence.type, { increment: sequence.increment })
  const kept = (bound: 'minimum' | 'maximum') =>
    clauses.type !== undefined && sequence[bound] === before[bound] ? {} : { [bound]: sequence[bound] }
  const { increment, cache, cycle, start } = sequence
  const options = { increment, cache, cycle, start, ...kept('minimum'), ...kept('maximum'), ...clauses }
  return {
    type,
    ownedBy: clauses.ownedBy === undefined ? sequence.ownedBy : clauses.ownedBy,
    ...sequenceOptions(type, options),
  }
}

type Clauses = { -readonly [key in keyof SequenceOptions]?: SequenceOptions[key] | undefined } & {
  type?: string
  ownedBy?: string | null
  name?: string
}

/** The clauses of CREATE and ALTER SEQUENCE and of identity columns; undefined where the default is asked for. */
export function sequenceClauses(fold: Fold, options: Node[] | undefined): Clauses {
  const result: Clauses = {}
  for (const option of options ?? []) {
    if (!('DefElem' in option)) continue
    const { defname = '', arg } = option.DefElem
    const names = arg && 'List' in arg ? path(arg.List.items) : []
    const field = FIELDS[defname]
    if (field) result[field] = numberText(arg)
    else if (defname === 'cycle') result.cycle = arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true
    else if (defname === 'as' && arg && 'TypeName' in arg) result.type = typeText(fold, arg.TypeName)
    else if (defname === 'owned_by')
      result.ownedBy = names[0] === 'none' && names.length === 1 ? null : columnName(fold, names)
    else if (defname === 'sequence_name') result.name = newName(fold, names).key
  }
  return result
}

const FIELDS: Record<string, 'start' | 'increment' | 'minimum' | 'maximum' | 'cache'> = {
  start: 'start',
  increment: 'increment',
  minvalue: 'minimum',
  maxvalue: 'maximum',
  cache: 'cache',
}

function columnName(fold: Fold, names: string[]): string {
  return `${relationNamed(fold, names.slice(0, -1)).key}.${names.at(-1) ?? ''}`
}

function numberText(arg: Node | undefined): string | undefined {
  if (arg && 'Integer' in arg) return String(arg.Integer.ival ?? 0)
  return arg && 'Float' in arg ? arg.Float.fval : undefined
}

const BITS: Record<string, bigint> = { smallint: 15n, integer: 31n, bigint: 63n }

/** All options of a sequence, the rest as PostgreSQL fills it in. */
export function sequenceOptions(type: string, given: Clauses): SequenceOptions {
  const { increment = '1', cache = '1', cycle = false } = given
  const top = 2n ** (BITS[type] ?? 63n)
  const down = increment.startsWith('-')
  const minimum = given.minimum ?? (down ? String(-top) : '1')
  const maximum = given.maximum ?? (down ? '-1' : String(top - 1n))
  return { start: given.start ?? (down ? maximum : minimum), increment, minimum, maximum, cache, cycle }
}
