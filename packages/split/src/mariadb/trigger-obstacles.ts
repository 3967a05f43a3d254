import type { MovedTable } from '../model.ts'
import type { Obstacle } from '../side.ts'
import type { Rights } from './rights.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql-text.ts'

/**
 * What would keep us from making triggers: the fence is made of them, and the application's own, which it takes away, must
 * come back as they were when a move is taken back.
 */
export async function triggerObstacles(
  session: Session,
  database: string,
  tables: readonly MovedTable[],
  rights: Rights,
): Promise<Obstacle[]> {
  const found: Obstacle[] = []
  const isSuper = rights.has('server', /\bsuper\b/i)
  const isTrusted = (await session.value('select not @@log_bin or @@log_bin_trust_function_creators')) === '1'
  if (!isSuper && !isTrusted) {
    found.push({
      code: 'IMH_SPLIT_RIGHTS',
      message: 'the user may make no triggers on a server that writes a binlog',
      hint: 'run: set global log_bin_trust_function_creators = 1; or: grant SUPER on *.* to USER',
    })
  }
  const triggers = await readOwners(session, database, tables)
  const others = triggers.filter(({ isOurs }) => !isOurs).map(({ name }) => name)
  if (others.length > 0 && !isSuper && !rights.has('server', /\bset[ _]user(?:_id)?\b|\bset_any_definer\b/i)) {
    found.push({
      code: 'IMH_SPLIT_RIGHTS',
      message: `the user may not make triggers again that another user has defined: ${others.join(', ')}`,
      hint: 'run: grant SET USER on *.* to USER',
    })
  }
  // our sessions send UTF-8
  const changed = triggers.filter(({ charset, body }) => !charset.startsWith('utf8') && /[^\0-\x7f]/.test(body))
  for (const { name, charset } of changed) {
    found.push({
      code: 'IMH_SPLIT_TRIGGER',
      message: `the trigger ${name} was made with ${charset} and holds other letters than ASCII: they would not come back as they are`,
      hint: 'make it anew in a session with: set names utf8mb4',
    })
  }
  return found
}

interface TriggerOwner {
  readonly name: string
  readonly isOurs: boolean
  readonly charset: string
  readonly body: string
}

async function readOwners(session: Session, database: string, tables: readonly MovedTable[]): Promise<TriggerOwner[]> {
  if (tables.length === 0) return []
  const names = tables.map(({ source }) => quoteText(source.name))
  const rows = (await session.rows(
    `select trigger_name, definer = current_user(), character_set_client, action_statement from information_schema.triggers
      where trigger_schema = ${quoteText(database)} and event_object_table in (${names.join(', ')}) order by trigger_name`,
  )) as string[][]
  return rows.map(([name = '', isOurs, charset = '', body = '']) => ({ name, isOurs: isOurs === '1', charset, body }))
}
