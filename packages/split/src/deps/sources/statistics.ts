import { tokenise } from '../sql/tokens.ts'
import type { SeenStatement } from '../statement-dependencies.ts'

/** A row of pg_stat_statements. */
export interface PgStatStatement {
  readonly queryid: string
  readonly query: string | null
  readonly calls: number
}

/** What to ask PostgreSQL for: statements of this database. */
export const pgStatStatementsQuery = `
  select s.queryid::text as queryid, s.query, s.calls::int8 as calls
    from pg_stat_statements s join pg_database d on d.oid = s.dbid
   where d.datname = current_database()`

/** Statements of pg_stat_statements; a row whose text the server dropped is in doubt. */
export function* fromPgStatStatements(rows: Iterable<PgStatStatement>): Generator<SeenStatement> {
  for (const { queryid, query, calls } of rows) {
    const seen = { evidence: `pg_stat_statements ${queryid}`, count: calls, lastSeen: null }
    yield query === null || query === '<insufficient privilege>'
      ? { ...seen, text: '', doubt: 'the server does not show the text' }
      : { ...seen, text: query }
  }
}

/** A row of performance_schema.events_statements_summary_by_digest. */
export interface DigestRow {
  readonly digest: string | null
  readonly digestText: string | null
  readonly count: number
  readonly lastSeen: Date | null
}

/** What to ask MariaDB for, with the length at which it cuts digests. */
export const digestQuery = `
  select digest, digest_text as digestText, count_star as count, last_seen as lastSeen, 
         least(@@max_digest_length, @@performance_schema_max_digest_length) as cutAt
    from performance_schema.events_statements_summary_by_digest
   where schema_name = database() or (schema_name is null and digest is null)`

/**
 * Statements of the digests. MariaDB cuts a digest at max_digest_length (1024), and counts in one row without a digest what
 * no longer had room: neither is ever clean.
 */
export function* fromDigests(rows: Iterable<DigestRow>, cutAt = 1024): Generator<SeenStatement> {
  for (const { digest, digestText, count, lastSeen } of rows) {
    const seen = { evidence: `digest ${digest ?? 'none'}`, count, lastSeen, text: digestText ?? '' }
    if (digest === null || digestText === null) {
      yield { ...seen, doubt: 'the server had no room for more digests: raise performance_schema_digests_size' }
    } else if (isCut(digestText, cutAt)) {
      yield { ...seen, doubt: 'the digest is cut: raise max_digest_length, or read the general log' }
    } else yield seen
  }
}

/** The longest that one more token can need: a name of 256 characters, its length and its kind. */
const ROOM_FOR_A_TOKEN = 260

/**
 * MariaDB does not say that it cut. It keeps two bytes a token, and for a name two more and the name itself; when the next
 * token has no room it stops. So a digest that leaves less room than a token can need is in doubt. MySQL ends with `...`.
 */
function isCut(text: string, cutAt: number): boolean {
  const kept = tokenise(text, 'mariadb').tokens.reduce(
    (sum, token) => sum + (token.kind === 'name' ? 4 + Buffer.byteLength(token.text) : 2),
    0,
  )
  return kept > cutAt - ROOM_FOR_A_TOKEN || /(?<!\( ?)\.\.\.\s*$/.test(text)
}
