import { quoteLiteral } from './quote.ts'
import type { Querier } from './runner.ts'

/** Sequences move on whatever is rolled back. Those that `work` has set back are put where they were, also when it fails. */
export async function keepSequences<T>(db: Querier, work: () => Promise<T>): Promise<T> {
  const before = await readSequences(db)
  try {
    return await work()
  } finally {
    const behind = new Map((await readSequences(db)).map((sequence) => [sequence.name, sequence]))
    for (const was of before) {
      const now = behind.get(was.name)
      if (now && isBehind(now, was))
        await db.query('select pg_catalog.setval($1::text::regclass, $2::text::bigint, $3)', [
          was.name,
          was.last,
          was.called,
        ])
    }
  }
}

interface SequenceState {
  /** Quoted. */
  readonly name: string
  readonly last: string
  /** False when `last` is still to be given. */
  readonly called: boolean
  readonly descends: boolean
}

async function readSequences(db: Querier): Promise<SequenceState[]> {
  const found = await db.query<{ name: string; descends: boolean }>(
    `select format('%I.%I', n.nspname, c.relname) as name, s.seqincrement < 0 as descends
     from pg_catalog.pg_sequence s
     join pg_catalog.pg_class c on c.oid = s.seqrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relpersistence <> 't' and case c.relkind when 'S' then has_sequence_privilege(c.oid, 'select') end`,
  )
  if (found.length === 0) return []
  return db.query<SequenceState>(
    found
      .map(
        ({ name, descends }) =>
          `select ${quoteLiteral(name)} as name, last_value::text as last, is_called as called, ${descends} as descends from ${name}`,
      )
      .join('\nunion all\n'),
  )
}

function isBehind(now: SequenceState, was: SequenceState): boolean {
  const [from, to] = [BigInt(was.last), BigInt(now.last)]
  if (from === to) return was.called && !now.called
  return was.descends ? to > from : to < from
}
