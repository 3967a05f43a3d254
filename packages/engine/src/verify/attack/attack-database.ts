import type { Database } from '@imhotep/postgres'
import type { Catalog, Table } from '../../catalog/model.ts'
import { withSameSnapshot } from '../../catalog/same-snapshot.ts'
import { makeContext, type VerifyContext } from '../context.ts'
import { defaultPolicy, type VerifyPolicy } from '../policy.ts'
import { alikePartitions } from './alike-partitions.ts'
import { gapsOfRole, makeRole, readMemberships } from './attack-role.ts'
import { withCancel } from './cancel.ts'
import { AttackNotPossibleError } from './errors.ts'
import { keepSequences } from './keep-sequences.ts'
import { markRows, readTexts } from './marks.ts'
import { attemptsOnTables, attemptsOnViews, makePlots, otherAttempts } from './plan-attempts.ts'
import { refuseUnlessBelieved, refuseUnlessLocksFit, refuseUnlessPossible } from './possible.ts'
import { chooseTenants, fillPartitions, fillTables } from './prepare-rows.ts'
import { quoteName, quoteQualified } from './quote.ts'
import { attemptAll, AttemptRunner, installRunner, watchTables, type Judged, type Querier } from './runner.ts'
import type { Scene } from './scene.ts'
import { completeTargets, completeViews, readTargets, readTargetsAgain, type Target } from './targets.ts'

export interface AttackOptions {
  readonly policy?: VerifyPolicy
  /** `quick` makes the essential attempts, as the application and not as owners; `full` all of them. Default full. */
  readonly mode?: 'full' | 'quick' | undefined
  /** Whether functions are called, too. Default true. */
  readonly functions?: boolean
  /** Attack as these roles, as an application would. Default: the policy's application role, and each table's owner. */
  readonly roles?: readonly string[] | undefined
  /** Attack these objects only (`schema.name`), with the tables that they need. */
  readonly only?: readonly string[]
  readonly onProgress?: (text: string) => void
  /** An abort cancels the statement under way, takes everything back and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface AttackReport {
  /** Statements that were tried, each rolled back. */
  readonly attempts: number
  readonly through: AttackSuccess[]
  /** What could not be tried, and why. Never part of what was refused. */
  readonly untested: { readonly object: string; readonly attempt: string; readonly reason: string }[]
  /** Partitions that were left out: in large families those that have the guards of the first, the last and the default one. */
  readonly alike: number
  readonly ms: number
}

export interface AttackSuccess {
  readonly object: string
  readonly attempt: string
  /** Counts, ids and SQLSTATEs, never values. */
  readonly evidence: string
}

/**
 * Tries to break the isolation of tenants and the append-only tables, as the application role and as each owner, in one
 * transaction that is rolled back; a quick attack without functions in two at once. Sequences move on, nothing else is
 * left. Needs a superuser connection.
 * @throws AttackNotPossibleError without superuser, without the application role, or without two tenants
 */
export async function attackDatabase(
  db: Database,
  catalog: Catalog,
  options: AttackOptions = {},
): Promise<AttackReport> {
  return keepSequences(db, () =>
    // A connection of its own, closed at the end: locks and settings of the session go with it.
    withCancel(db, options.signal, async (connection, cancellable) => {
      // One snapshot: rows that others write meanwhile are not taken for traces of the attack.
      await connection.script('begin isolation level repeatable read')
      const first = cancellable(connection)
      return mayShare(options)
        ? await withSameSnapshot(db, connection, (second) => attackOnce(first, catalog, options, cancellable(second)))
        : await attackOnce(first, catalog, options)
    }),
  )
}

/**
 * Whether two connections may attack at once: their attempts must not meet in a row or a lock. Those of a quick attack
 * stay in their own table; a function may go anywhere. A role that is made for the attack is seen by one connection only.
 */
function mayShare({ policy = defaultPolicy, mode, functions, roles, only }: AttackOptions): boolean {
  return mode === 'quick' && functions === false && only === undefined && (roles ?? policy.attackRole) !== null
}

/** The attack inside an open transaction, which is left as it was found. */
export async function attackInside(db: Querier, catalog: Catalog, options: AttackOptions = {}): Promise<AttackReport> {
  return keepSequences(db, async () => {
    await db.query('savepoint imhotep_attack')
    try {
      return await attackOnce(db, catalog, options)
    } finally {
      await db.query('rollback to savepoint imhotep_attack')
    }
  })
}

/** `second` is another connection with the same snapshot: it attacks the tables in which nothing has to be made up first. */
async function attackOnce(
  db: Querier,
  catalog: Catalog,
  options: AttackOptions,
  second?: Querier,
): Promise<AttackReport> {
  const { policy = defaultPolicy, onProgress = () => {} } = options
  const started = performance.now()
  const whole = makeContext(catalog, policy)
  const alike = alikePartitions(whole)
  const context = { ...whole, tenantTables: whole.tenantTables.filter((table) => !alike.has(table)) }
  await refuseUnlessPossible(db, context, options.roles ?? (policy.attackRole === null ? [] : [policy.attackRole]))
  if (context.tenantTables.length === 0) {
    throw new AttackNotPossibleError(
      'no table keeps rows of tenants apart',
      `give tables a column ${policy.tenantColumn}, or name yours in the policy of imhotep.config (tenantColumn, tables)`,
    )
  }
  await refuseUnlessLocksFit(db)
  const judged = await attack(db, context, options, onProgress, [...alike], second)
  return toReport(judged, alike.size, performance.now() - started)
}

async function attack(
  db: Querier,
  context: VerifyContext,
  options: AttackOptions,
  onProgress: (text: string) => void,
  alike: readonly Table[],
  second?: Querier,
): Promise<Judged[]> {
  const { policy } = context
  await prepareConnection(db, policy)
  const isMade = options.roles === undefined && policy.attackRole === null
  const roles = options.roles ?? [policy.attackRole ?? (await makeRole(db, context))]
  const owners = context.tenantTables.flatMap(({ owner }) => owner ?? [])
  const memberships = await readMemberships(db, [...new Set([...roles, ...owners])])

  onProgress('looking for rows to attack')
  await db.query(`set local session_replication_role = 'replica'`)
  const tenants = await chooseTenants(db, context)
  const [attacker, victim] = tenants
  if (!attacker || !victim) {
    throw new AttackNotPossibleError(
      'there are no two tenants',
      'run imhotep seed demo on a development database first',
    )
  }
  await refuseUnlessBelieved(db, context, attacker)
  const plots = makePlots([attacker, victim], roles, options.mode === 'quick')
  const sceneOf = (found: readonly Target[], texts: Scene['texts'] = new Map()): Scene => ({
    context,
    targets: new Map(found.map((target) => [target.name, target])),
    memberships,
    texts,
  })
  const runner = new AttemptRunner(policy.contextSetting, onProgress)

  let targets = await readTargets(db, context, tenants)
  const shared = second ? completeTargets(targets, tenants, context) : []
  const sharedViews = second ? completeViews(targets, shared, context) : []
  const onShared = runner.plan(attemptsOnTables(shared, plots, sceneOf(shared), options))
  const onSharedViews = runner.plan(attemptsOnViews(sharedViews, plots, sceneOf(shared), options))
  const runBeside = async (connection: Querier) => {
    await prepareConnection(connection, policy)
    await runner.run(connection, onShared)
    await runner.run(connection, onSharedViews)
  }
  const meanwhile = second ? runBeside(second) : Promise.resolve()
  meanwhile.catch(() => undefined) // told below, unless the attack fails before

  for (const fill of [fillTables, fillPartitions]) {
    const filled = await fill(db, context, targets, tenants)
    targets = await readTargetsAgain(db, context, tenants, targets, filled)
  }
  // The second connection would wait for the rows that are marked, and see no mark.
  if (!second) targets = await markRows(db, context, targets, tenants)
  await db.query(`set local session_replication_role = 'origin'`)
  const unseen = alike.map((table) => ({ name: quoteQualified(table), tenantColumn: quoteName(policy.tenantColumn) }))
  await watchTables(db, [...targets.map(({ sqlName, tenantColumn }) => ({ name: sqlName, tenantColumn })), ...unseen])

  const texts = options.functions === false ? undefined : await readTexts(db, sceneOf(targets), [attacker, victim])
  const scene = sceneOf(targets, texts)
  const taken = new Set(shared.map(({ name }) => name))
  const own = targets.filter(({ name }) => !taken.has(name))
  const ownViews = [...context.catalog.views.values()].filter((view) => !sharedViews.includes(view))
  await runner.run(
    db,
    runner.plan([
      ...attemptsOnTables(own, plots, scene, options),
      ...attemptsOnViews(ownViews, plots, scene, options),
      ...otherAttempts(scene, plots, await analysedTables(db, scene), options),
      ...(isMade ? gapsOfRole(roles[0] ?? '', context) : []),
    ]),
  )
  await runner.run(db, onSharedViews) // views are only read: whoever is free takes the next ones
  await meanwhile
  return runner.judged()
}

async function prepareConnection(db: Querier, policy: VerifyPolicy): Promise<void> {
  await db.query(
    `select set_config('lc_messages', 'C', true), set_config('lock_timeout', '2s', true), set_config('jit', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true), set_config('statement_timeout', '0', true)`,
  )
  await installRunner(db, policy.attackContext)
  // The server notices that a client was killed; not every platform can.
  await attemptAll(db, [`set local client_connection_check_interval = '1s'`])
}

/** Tables that the statistics views could say something about. */
async function analysedTables(db: Querier, scene: Scene): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `select distinct n.nspname || '.' || c.relname as name
     from pg_statistic s join pg_class c on c.oid = s.starelid join pg_namespace n on n.oid = c.relnamespace
     order by name`,
  )
  return rows.map((row) => row.name).filter((name) => scene.targets.has(name))
}

function toReport(judged: readonly Judged[], alike: number, ms: number): AttackReport {
  const through: AttackSuccess[] = []
  const untested: AttackReport['untested'] = []
  let attempts = 0
  for (const { attempt, verdict, steps } of judged) {
    attempts += steps
    const about = { object: attempt.object, attempt: attempt.attempt }
    if (verdict.kind === 'through') through.push({ ...about, evidence: verdict.evidence })
    if (verdict.kind === 'untested') untested.push({ ...about, reason: verdict.reason })
  }
  return { attempts, through, untested, alike, ms: Math.round(ms) }
}
