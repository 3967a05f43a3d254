import { randomUUID } from 'node:crypto'
import type { Catalog } from '../../catalog/model.ts'
import { columnRights } from './column-rights.ts'
import { untested, type Attempt, type Step } from './attempt.ts'
import { judgeBlind, judgeCommand, judgePolicy, judgeRead, judgeReference, judgeUnique, judgeWrite } from './judges.ts'
import { freshId, madeUpId } from './made-up.ts'
import { quoteLiteral, quoteName } from './quote.ts'
import type { Plot, Scene } from './scene.ts'
import { countLimit, harmlessColumn, referencesOf, writableColumns, type Target, type TenantRows } from './targets.ts'

const none: TenantRows = { count: 0, filter: null, id: null }

/** What one role tries on one table, in the context of one tenant, against the rows of another. */
export function* tableAttempts(target: Target, plot: Plot, scene: Scene): Generator<Attempt> {
  const trial = new TableTrial(target, plot, scene)
  yield* trial.essential()
  yield* trial.columns()
  if (target.appendOnly) yield* trial.appendOnly()
  if (plot.quick) return
  yield* trial.references()
  yield* trial.blind()
  yield* trial.otherWaysToRead()
  yield* trial.asApplicationsDo()
  if (plot.isApplication) yield* trial.definition()
}

/** One table, one role, two tenants: the SQL fragments that all attempts share. */
class TableTrial {
  readonly #target: Target
  readonly #plot: Plot
  readonly #scene: Scene
  /** Quoted. */
  readonly #name: string
  /** Quoted. */
  readonly #tenant: string
  /** Quoted; an update may set it to its default or to itself. */
  readonly #harmless: string
  readonly #own: TenantRows
  readonly #foreign: TenantRows
  /** Predicates. */
  readonly #ours: string
  readonly #theirs: string

  constructor(target: Target, plot: Plot, scene: Scene) {
    this.#target = target
    this.#plot = plot
    this.#scene = scene
    this.#name = target.sqlName
    this.#tenant = target.tenantColumn
    this.#harmless = quoteName(harmlessColumn(target.table, scene.context))
    this.#own = target.rows.get(plot.attacker) ?? none
    this.#foreign = target.rows.get(plot.victim) ?? none
    this.#ours = `${target.tenantColumn} = ${quoteLiteral(plot.attacker)}`
    this.#theirs = `${target.tenantColumn} = ${quoteLiteral(plot.victim)}`
  }

  /** A quick attack makes the first two on partitions: they give no right to anybody. */
  *essential(): Generator<Attempt> {
    const present = this.#foreign.count
    const insert = `insert into ${this.#name} (${this.#tenant}) values (${quoteLiteral(this.#plot.victim)})`
    const list = `select from ${this.#name} where ${this.#theirs} limit 1000`
    const listAll = `select from ${this.#name} where ${this.#tenant} is not null limit 1000`
    const update = `update ${this.#name} set ${this.#harmless} = ${this.#harmless} where ${this.#theirs}`
    const remove = `delete from ${this.#name} where ${this.#theirs}`
    yield this.#attempt('list', [this.#step(list)], judgeRead(present))
    yield this.#attempt('insert for the other tenant', [this.#step(insert, { policyOnly: true })], judgePolicy(1))
    if (this.#plot.quick && this.#target.partition) return
    yield this.#attempt('update', [this.#step(update, { policyOnly: true })], judgePolicy(present))
    yield this.#attempt('delete', [this.#step(remove, { policyOnly: true })], judgePolicy(present))
    yield this.#own.filter === null
      ? this.#gap('move a row to the other tenant')
      : this.#attempt(
          'move a row to the other tenant',
          [this.#step(this.#move(), { policyOnly: true })],
          judgePolicy(1),
        )
    const all = this.#own.count + present
    yield this.#attempt(
      'read without a tenant',
      [this.#step(listAll, { tenant: null })],
      judgeRead(all, 'without a tenant in the context'),
    )
    yield this.#attempt(
      'insert without a tenant',
      [this.#step(insert, { tenant: null, policyOnly: true })],
      judgePolicy(1),
    )
  }

  /** Who has rights on some columns only may still reach every row by those; more rows than our own are through. */
  *columns(): Generator<Attempt> {
    const { select, update } = columnRights(this.#target.table, this.#plot.role, this.#scene)
    const [own, foreign] = [this.#own.count, this.#foreign.count]
    if (own > countLimit && (select ?? update) !== null) {
      yield this.#gap('list and update by columns', 'too many rows')
      return
    }
    if (select !== null) {
      const list = `select ${quoteName(select)} from ${this.#name} offset ${own} limit 1000`
      yield this.#attempt('list by a column', [this.#step(list)], judgeRead(foreign))
    }
    if (update !== null) {
      const name = quoteName(update.column)
      const change = `update ${this.#name} set ${name} = ${update.readable ? name : 'default'}`
      yield this.#attempt('update by a column', [this.#step(change, { policyOnly: true })], judgeBlind(foreign, own))
    }
  }

  *appendOnly(): Generator<Attempt> {
    const { filter } = this.#own
    if (filter === null) yield this.#gap('change an append-only row')
    else {
      const where = `where ${this.#ours} and ${filter}`
      const update = `update ${this.#name} set ${this.#harmless} = ${this.#harmless} ${where}`
      yield this.#attempt('change an append-only row', [this.#step(update)], judgeWrite(1))
      yield this.#attempt(
        'remove an append-only row',
        [this.#step(`delete from ${this.#name} ${where}`)],
        judgeWrite(1),
      )
    }
    if (this.#target.partition) return
    yield this.#attempt('truncate an append-only table', [this.#step(`truncate ${this.#name}`)], judgeCommand)
  }

  /** The root table is left out: a group of tenants is one of the few things that two tenants share. */
  *references(): Generator<Attempt> {
    if (this.#target.partition || this.#target.scope === 'root') return
    const { filter } = this.#own
    const keys = referencesOf(this.#target, this.#scene.context)
    for (const { key, column, references } of keys) {
      const title = `reference through ${key.name}`
      const target = this.#scene.targets.get(references)
      const theirId = target?.rows.get(this.#plot.victim)?.id
      if (!target) continue
      if (!theirId || filter === null) {
        yield this.#gap(title)
        continue
      }
      const row = this.#rowWhere(filter)
      const unknown = () =>
        madeUpId(this.#target.table.columns.get(column)?.type ?? 'uuid', this.#catalog) ?? randomUUID()
      const update = (id: string) =>
        this.#step(
          `update ${this.#name} set ${quoteName(column)} = ${quoteLiteral(id)} where ${this.#ours} and ${filter}`,
        )
      const fresh = () => freshId(this.#target.table, this.#catalog)
      const insert = (id: string) => this.#step(this.#insertCopy({ [column]: id, ...fresh() }), { row })
      const steps = [update(theirId), update(unknown())]
      if (!this.#plot.quick || this.#target.appendOnly) steps.push(insert(theirId), insert(unknown()))
      const others = keys.map((each) => each.key.name).filter((name) => name !== key.name)
      yield this.#attempt(title, steps, judgeReference(others))
    }
  }

  /** Without WHERE only the policy of the command itself decides, no policy for SELECT: nothing is read here. */
  *blind(): Generator<Attempt> {
    const [own, foreign] = [this.#own.count, this.#foreign.count]
    if (foreign === 0) return
    if (own + foreign > countLimit) {
      yield this.#gap('update and delete without WHERE', 'too many rows')
      return
    }
    const isRoot = this.#target.scope === 'root'
    const change = isRoot ? `${this.#harmless} = default` : `${this.#tenant} = ${quoteLiteral(this.#plot.attacker)}`
    const update = this.#step(`update ${this.#name} set ${change}`, { policyOnly: true })
    const remove = this.#step(`delete from ${this.#name}`, { policyOnly: true })
    yield this.#attempt('update without WHERE', [update], judgePolicy(foreign, own))
    yield this.#attempt('delete without WHERE', [remove], judgePolicy(foreign, own))
  }

  *otherWaysToRead(): Generator<Attempt> {
    const { filter } = this.#foreign
    if (filter === null) {
      yield this.#gap('read by id and in other ways')
      return
    }
    const name = this.#name
    const theirs = this.#theirs
    const joined = `b.${theirs}`
    const reads = {
      // Ids of two tenants may be the same: a row of one's own is no success.
      'read by id': `select from ${name} where ${filter} and not (${this.#ours})`,
      'join by tenant': `select from ${name} a join ${name} b on ${joined} limit 10`,
      count: `select from (select count(*) as n from ${name} where ${theirs}) counted where n > 0`,
      // A predicate that fails on every row: it may not run before the policy.
      'error in a predicate': `select from ${name} where ${theirs} and 1 / (length(${this.#tenant}::text) - ${this.#plot.victim.length}) = 1`,
    }
    for (const [title, sql] of Object.entries(reads)) yield this.#attempt(title, [this.#step(sql)], judgeRead(1))
    if (this.#plot.isApplication) {
      const copy = `copy (select from ${name} where ${theirs}) to '/dev/null'`
      yield this.#attempt('copy', [this.#step(copy, { memberOf: 'pg_write_server_files' })], judgeRead(1))
    }
    const off = [{ tenant: this.#plot.attacker, sql: 'set local row_security = off' }]
    const read = `select from ${name} where ${theirs}`
    yield this.#attempt('row_security off', [this.#step(read, { before: off })], judgeRead(1))
    yield this.#keptPlan()
    if (this.#target.scope !== 'root') yield this.#sameValues(filter)
  }

  /** With triggers and foreign keys in force. */
  *asApplicationsDo(): Generator<Attempt> {
    const present = this.#foreign.count
    const update = `update ${this.#name} set ${this.#harmless} = ${this.#harmless} where ${this.#theirs}`
    const remove = `delete from ${this.#name} where ${this.#theirs}`
    const nobody = { tenant: null, policyOnly: true }
    yield this.#attempt('update as applications do', [this.#step(update)], judgeWrite(present))
    yield this.#attempt('delete as applications do', [this.#step(remove)], judgeWrite(present))
    yield this.#attempt('update without a tenant', [this.#step(update, nobody)], judgePolicy(present))
    yield this.#attempt('delete without a tenant', [this.#step(remove, nobody)], judgePolicy(present))
    if (this.#own.filter === null) return
    const row = this.#rowWhere(this.#own.filter)
    const copy = this.#insertCopy({
      [this.#tenantName]: this.#plot.victim,
      ...freshId(this.#target.table, this.#catalog),
    })
    yield this.#attempt('insert a copy for the other tenant', [this.#step(copy, { row })], judgeWrite(1))
    yield this.#attempt('move as applications do', [this.#step(this.#move())], judgeWrite(1))
  }

  *definition(): Generator<Attempt> {
    const commands = {
      'switch row security off': `alter table ${this.#name} disable row level security`,
      'add a policy': `create policy imhotep_attack on ${this.#name} using (true)`,
      'switch triggers off': `alter table ${this.#name} disable trigger all`,
    }
    for (const [title, sql] of Object.entries(commands)) yield this.#attempt(title, [this.#step(sql)], judgeCommand)
  }

  /** A plan made for one tenant must not answer for the next one on the same connection. */
  #keptPlan(): Attempt {
    const prepared = `imhotep_attack_${randomUUID().replaceAll('-', '')}`
    const tenant = this.#plot.victim
    const before = [
      'set local plan_cache_mode = force_generic_plan',
      `prepare ${prepared} as select from ${this.#name} where ${this.#theirs} limit 1000`,
      `execute ${prepared}`,
    ].map((sql) => ({ tenant, sql }))
    return this.#attempt(
      'plan kept from the other tenant',
      [this.#step(`execute ${prepared}`, { before, prepared })],
      judgeRead(1),
    )
  }

  /**
   * A tenant that has no rows at all inserts the values of the other tenant's row: whatever collides tells that they
   * exist there. The id of a shared table is everybody's.
   */
  #sameValues(filter: string): Attempt {
    const newcomer = madeUpId(this.#scene.context.policy.tenantType, this.#catalog) ?? randomUUID()
    const id = this.#target.scope === 'shared' ? freshId(this.#target.table, this.#catalog) : {}
    const sql = this.#insertCopy({ [this.#tenantName]: newcomer, ...id })
    const row = this.#rowWhere(filter)
    const title = 'insert values of the other tenant'
    return this.#attempt(title, [this.#step(sql, { row, tenant: newcomer, policyOnly: true })], judgeUnique)
  }

  /** Inserts `$1`, a row as jsonb, with some columns changed. */
  #insertCopy(changes: Readonly<Record<string, string>>): string {
    const names = writableColumns(this.#target.table).map(quoteName).join(', ')
    const change = `${quoteLiteral(JSON.stringify(changes))}::jsonb`
    return `insert into ${this.#name} (${names}) select ${names} from jsonb_populate_record(null::${this.#name}, $1 || ${change})`
  }

  #rowWhere(filter: string): string {
    return `select to_jsonb(t) from ${this.#name} t where ${filter} limit 1`
  }

  #move(): string {
    const set = `${this.#tenant} = ${quoteLiteral(this.#plot.victim)}`
    return `update ${this.#name} set ${set} where ${this.#ours} and ${this.#own.filter}`
  }

  get #catalog(): Catalog {
    return this.#scene.context.catalog
  }

  get #tenantName(): string {
    return this.#scene.context.policy.tenantColumn
  }

  #step(sql: string, more: Partial<Step> = {}): Step {
    return { role: this.#plot.role, tenant: this.#plot.attacker, sql, ...more }
  }

  #attempt(title: string, steps: readonly Step[], judge: Attempt['judge']): Attempt {
    return { object: this.#target.name, attempt: `${this.#plot.role}: ${title}`, steps, judge }
  }

  /** What cannot be tried is said, never passed over. */
  #gap(title: string, reason = 'no rows to attack'): Attempt {
    return this.#attempt(title, [], () => untested(reason))
  }
}
