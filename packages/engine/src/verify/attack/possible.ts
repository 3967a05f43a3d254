import { nameOf, type VerifyContext } from '../context.ts'
import { AttackNotPossibleError } from './errors.ts'
import type { Querier } from './runner.ts'

export async function refuseUnlessPossible(
  db: Querier,
  { catalog }: VerifyContext,
  roles: readonly string[],
): Promise<void> {
  const [me] = await db.query<{ name: string; superuser: boolean }>(
    'select rolname as name, rolsuper as superuser from pg_roles where rolname = session_user',
  )
  if (!me?.superuser) {
    throw new AttackNotPossibleError(
      `role "${me?.name}" is no superuser`,
      'pass the URL of a superuser: --url postgresql://postgres@host/database',
    )
  }
  for (const role of roles) {
    if (catalog.roles.has(role)) continue
    throw new AttackNotPossibleError(
      `there is no role "${role}"`,
      'run imhotep migrate first, or name the role that applications log in as: --role',
    )
  }
}

/** Where a request has to be signed nobody can pose as a tenant, the attack neither. */
export async function refuseUnlessBelieved(
  db: Querier,
  { policy, catalog }: VerifyContext,
  tenant: string,
): Promise<void> {
  const { contextFunction, contextSetting } = policy
  if (![...catalog.functions.values()].some((routine) => nameOf(routine) === contextFunction)) return
  await db.query('savepoint imhotep_attack_context')
  try {
    await db.query('select set_config($1, $2, true)', [contextSetting, tenant])
    await db.query(`select ${contextFunction}()`)
  } catch (error) {
    throw new AttackNotPossibleError(
      `${contextFunction} does not believe ${contextSetting}: ${error instanceof Error ? error.message : String(error)}`,
      'attack a copy of the database on which unsigned contexts are accepted: select core.accept_unsigned_context()',
    )
  } finally {
    await db.query('rollback to savepoint imhotep_attack_context')
  }
}

/**
 * One transaction takes a lock on every relation that it looks at. When the server has no room for them it stops with 53200,
 * and others on the server may, too.
 */
export async function refuseUnlessLocksFit(db: Querier): Promise<void> {
  const [row] = await db.query<{ relations: number; room: number; connections: number }>(
    `select (select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p', 'i', 'I', 'v', 'm', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')::integer as relations,
       current_setting('max_locks_per_transaction')::integer * places.n as room, places.n as connections
     from (select current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer as n) places`,
  )
  if (row) checkRoom(row.relations, row.room, row.connections)
}

/** @throws AttackNotPossibleError when the lock table could not hold a lock on each relation */
export function checkRoom(relations: number, room: number, connections: number): void {
  if (relations <= room) return
  const needed = Math.ceil((relations * 1.5) / connections)
  throw new AttackNotPossibleError(
    `${relations} tables and indexes need a lock each, and the server has room for ${room}`,
    `attack a copy of the database on a server with max_locks_per_transaction = ${needed} (a restart sets it)`,
  )
}
