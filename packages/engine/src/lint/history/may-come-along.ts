import type { Moment } from '../rule.ts'
import { mayHaveTouched, namesBeginOf } from './unknown-effects.ts'
import type { Use } from './uses.ts'

/**
 * Whether something of a table (constraint, trigger, policy, rule, index) may be there although no file says its name: made
 * by an event trigger, a call, an extension, or PostgreSQL itself.
 */
export function mayComeAlong(kind: Use['kind'], name: string, moment: Moment): boolean {
  const { catalog, history, serverVersion } = moment
  if (catalog.eventTriggers.size > 0) return true
  if ([...catalog.extensions.keys()].some((extension) => !TOUCH_NO_TABLE.has(extension))) return true
  const [schema = '', owner = '', own = ''] = name.split('.')
  if (kind === 'index')
    return catalog.unknown.some((effect) => effect.reason.startsWith('call of ') && namesBeginOf(effect, owner))
  // NOT NULL is a constraint with a name from PostgreSQL 18 on, which the catalog does not hold.
  if (kind === 'constraint' && serverVersion >= 18 && (/_not_null\d*$/.test(own) || history.isNotNull(own))) return true
  return catalog.unknown.some((effect) => mayHaveTouched(effect, schema, owner))
}

/** Of those that come with PostgreSQL or are in common use; others may give constraints, triggers and indexes to tables. */
const TOUCH_NO_TABLE = new Set(
  `plpgsql pgcrypto uuid-ossp citext hstore ltree intarray cube seg isn btree_gist btree_gin pg_trgm unaccent fuzzystrmatch
  tablefunc dblink postgres_fdw file_fdw pg_stat_statements pg_buffercache pgstattuple pg_prewarm pgrowlocks amcheck
  pageinspect bloom dict_int dict_xsyn tsm_system_rows tsm_system_time earthdistance xml2 vector`.split(/\s+/),
)
