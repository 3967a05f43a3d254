import type { Routine } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import type { Attempt, Step } from './attempt.ts'
import { columnKey, columnsAsked, isKey, namedBy, unknownFor, valueOf } from './call-values.ts'
import { judgeCall } from './judge-call.ts'
import { quoteQualified } from './quote.ts'
import { argumentsOf, type Argument } from './routine-arguments.ts'
import { canariesOf, type Plot, type Scene } from './scene.ts'

/** Index of an argument -> what is passed there; others get a plausible value. */
type Given = ReadonlyMap<number, string>

interface IdArgument {
  readonly index: number
  /** Of a row of that tenant; an unknown id where there is none. */
  readonly idOf: (tenant: string) => string
  /** See `Named`. */
  readonly ambiguous: boolean
}

/**
 * Calls one function with ids and texts of the other tenant. The answer may hold nothing of its rows, must be the one that an
 * unknown id gets, and no row of the other tenant may have changed. Where all calls fail alike the other tenant's own call
 * tells whether the function came to its work at all.
 */
export function* functionAttempts(routine: Routine, plot: Plot, scene: Scene): Generator<Attempt> {
  const { policy } = scene.context
  if (/^(trigger|event_trigger|internal)$/.test(routine.returns) || routine.kind === 'aggregate') return
  if (nameOf(routine) === policy.beginFunction || policy.crossTenantFunctions[nameOf(routine)]) return
  const args = argumentsOf(routine)
  if (args.some((arg) => /^any|internal|^regclass$|^trigger/.test(arg.type))) return

  const trial = new CallTrial(routine, args, plot, scene)
  if (mayCall(routine, plot.role, scene)) {
    yield* trial.withIds()
    yield* trial.withTexts()
    yield* trial.withNothing()
  } else if (!plot.quick) yield trial.withoutRight()
}

function mayCall(routine: Routine, role: string, { memberships }: Scene): boolean {
  const roles = memberships.get(role) ?? new Set([role])
  if (roles.has(routine.owner ?? '')) return true
  return routine.grants.some(({ grantee }) => grantee === 'public' || roles.has(grantee))
}

class CallTrial {
  readonly #routine: Routine
  readonly #args: readonly Argument[]
  readonly #plot: Plot
  readonly #scene: Scene
  /** Arguments that hold an id. */
  readonly #ids: readonly IdArgument[]
  /** Arguments that hold a text of the victim; `isKey` where that text names one row. */
  readonly #texts: readonly { readonly index: number; readonly text: string; readonly isKey: boolean }[]

  constructor(routine: Routine, args: readonly Argument[], plot: Plot, scene: Scene) {
    this.#routine = routine
    this.#args = args
    this.#plot = plot
    this.#scene = scene
    this.#ids = args.flatMap((arg, index) => {
      const named = namedBy(arg, routine, scene)
      if (!named) return []
      return [{ index, idOf: (tenant) => named.idOf(tenant) ?? unknownFor(arg, scene), ambiguous: named.ambiguous }]
    })
    const ids = new Set(this.#ids.map(({ index }) => index))
    this.#texts = args.flatMap((arg, index) => {
      if (ids.has(index)) return []
      for (const { target, column } of columnsAsked(arg, routine, scene)) {
        const text = scene.texts.get(columnKey(target, column))
        if (text !== undefined)
          return [{ index, text, isKey: isKey(target.table, column, scene.context.policy.tenantColumn) }]
      }
      return []
    })
  }

  *withIds(): Generator<Attempt> {
    const { attacker, victim } = this.#plot
    const texts = this.#texts.map(({ index, text }) => [index, text] as const)
    for (const chosen of this.#choices()) {
      const isChosen = ({ index }: { index: number }) => chosen.includes(index)
      const fill = (idOf: (id: IdArgument) => string): Given =>
        new Map([...texts, ...this.#ids.map((id) => [id.index, idOf(id)] as const)])
      const theirs = fill((id) => id.idOf(isChosen(id) ? victim : attacker))
      const unknown = () =>
        new Map(
          [...theirs].map(([index, value]) => [index, chosen.includes(index) ? this.#unknown(index) : value] as const),
        )
      const comparable = !this.#ids.some((id) => isChosen(id) && id.ambiguous)
      const own = fill((id) => id.idOf(victim))
      yield this.#compare(chosen, [theirs, unknown(), unknown()], own, comparable)
    }
  }

  /** A text finds a row as an id does; what else a text may be is not known, so only a key is compared. */
  *withTexts(): Generator<Attempt> {
    if (this.#ids.length > 0 || this.#texts.length === 0) return
    const chosen = this.#texts.map(({ index }) => index)
    const theirs = new Map(this.#texts.map(({ index, text }) => [index, text] as const))
    const unknown = () => new Map(chosen.map((index) => [index, this.#unknown(index)] as const))
    const comparable = this.#texts.every((text) => text.isKey)
    yield this.#compare(chosen, [theirs, unknown(), unknown()], theirs, comparable)
  }

  *withNothing(): Generator<Attempt> {
    if (this.#ids.length > 0) return
    const nothing: Given = new Map()
    const judge = judgeCall({ comparable: false, recognisable: this.#isRecognisable() })
    const call = this.#step(nothing, [])
    if (this.#texts.length === 0) yield this.#attempt('call', [call], judge)
    const nobody = { ...call, tenant: null }
    yield this.#attempt('call without a tenant', [nobody, { ...call, afterErrors: 1 }], judge)
  }

  withoutRight(): Attempt {
    const step = this.#step(new Map(), [])
    return this.#attempt('call without the right to', [step], judgeCall({ comparable: false, recognisable: true }))
  }

  #compare(chosen: readonly number[], calls: readonly Given[], own: Given, comparable: boolean): Attempt {
    const names = chosen.map((index) => this.#args[index]?.name || `argument ${index + 1}`).join(', ')
    const passed = [...new Set(calls.flatMap((given) => [...given.values()]))]
    // a row that is told from an unknown one counts only where two unknown ones get the same answer
    const steps = (comparable ? calls : calls.slice(0, 1)).map((given, index) => {
      return { ...this.#step(given, passed), ...(index === 2 && { afterDifference: true }) }
    })
    const control = { ...this.#step(own, passed), tenant: this.#plot.victim, afterErrors: steps.length }
    const recognisable = comparable || this.#isRecognisable()
    const judge = judgeCall({ comparable, recognisable })
    return this.#attempt(`call with another tenant's ${names}`, [...steps, control], judge)
  }

  /** All ids of the other tenant at once, then each alone among our own. */
  #choices(): number[][] {
    const positions = this.#ids.map(({ index }) => index)
    if (positions.length === 0) return []
    if (this.#plot.quick || positions.length === 1) return [positions]
    return [positions, ...positions.map((position) => [position])]
  }

  #unknown(index: number): string {
    return unknownFor(this.#args[index] as Argument, this.#scene)
  }

  /** Whether a row of the victim would be recognised in what the function returns. */
  #isRecognisable(): boolean {
    const { returns } = this.#routine
    if (returns === 'void') return true
    const type = returns.replace(/^setof /i, '')
    const target = [...this.#scene.targets.values()].find(({ name, table }) => type === name || type === table.name)
    const theirs = target?.rows.get(this.#plot.victim)
    if (theirs)
      return canariesOf(this.#scene, this.#plot.victim).some((canary) => [theirs.id, theirs.mark].includes(canary))
    if (/^setof (smallint|integer|bigint|numeric)/i.test(returns)) return false
    return canariesOf(this.#scene, this.#plot.victim).length > 0
  }

  #step(given: Given, passed: readonly string[]): Step {
    const list = this.#args
      .map((arg, index) => valueOf(arg, given.get(index) ?? null, this.#routine, this.#scene))
      .join(', ')
    const invoked = `${quoteQualified(this.#routine)}(${list})`
    const sql =
      this.#routine.kind === 'procedure'
        ? `call ${invoked}`
        : this.#routine.returns === 'void'
          ? `select null from ${invoked}`
          : `select jsonb_agg(to_jsonb(answer))::text from (select * from ${invoked} limit 1000) answer`
    const { role, attacker, victim } = this.#plot
    const canaries = canariesOf(this.#scene, victim).filter((id) => !passed.includes(id))
    return { role, tenant: attacker, sql, call: { canaries, passed, victim } }
  }

  #attempt(title: string, steps: readonly Step[], judge: Attempt['judge']): Attempt {
    const object = `${nameOf(this.#routine)}(${this.#routine.argumentTypes.join(', ')})`
    return { object, attempt: `${this.#plot.role}: ${title}`, steps, judge }
  }
}
