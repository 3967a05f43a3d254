import type { View } from '../../catalog/model.ts'
import { nameOf, type VerifyContext } from '../context.ts'
import type { AttackOptions } from './attack-database.ts'
import type { Attempt } from './attempt.ts'
import { functionAttempts } from './function-attempts.ts'
import { escalationAttempts, sequenceAttempts, statisticsAttempts } from './other-attempts.ts'
import type { Plot, Scene } from './scene.ts'
import { tableAttempts } from './table-attempts.ts'
import type { Target } from './targets.ts'
import { viewAttempts } from './view-attempts.ts'

/** Each role attacks the second tenant as the first one, and in a full attack the other way round as well. */
export function makePlots([a, b]: readonly [string, string], roles: readonly string[], quick: boolean): Plot[] {
  return roles.flatMap((role): Plot[] => {
    const plot: Plot = { role, attacker: a, victim: b, quick, isApplication: true }
    return quick ? [plot] : [plot, { ...plot, attacker: b, victim: a }]
  })
}

/** What is tried on tables; a full attack tries it as their owners, too. */
export function* attemptsOnTables(
  targets: readonly Target[],
  plots: readonly Plot[],
  scene: Scene,
  { only, roles }: AttackOptions,
): Generator<Attempt> {
  const { catalog, applicationRoles } = scene.context
  const [first] = plots
  for (const target of targets) {
    if (only && !only.includes(target.name)) continue
    for (const each of plots) {
      const owns = scene.memberships.get(each.role)?.has(target.table.owner ?? '') ?? false
      yield* tableAttempts(target, { ...each, isApplication: !owns }, scene)
    }
    const owner = catalog.roles.get(target.table.owner ?? '')
    if (!first || first.quick || roles || !owner) continue
    if (owner.superuser || owner.bypassRls || applicationRoles.has(owner.name)) continue
    yield* tableAttempts(target, { ...first, role: owner.name, isApplication: false }, scene)
  }
}

/** What is tried on views. */
export function* attemptsOnViews(
  views: readonly View[],
  plots: readonly Plot[],
  scene: Scene,
  options: AttackOptions,
): Generator<Attempt> {
  for (const view of ours(views, scene.context, options))
    for (const each of plots) yield* viewAttempts(view, each, scene)
}

/** What is tried on everything that is neither table nor view. */
export function* otherAttempts(
  scene: Scene,
  plots: readonly Plot[],
  analysed: readonly string[],
  options: AttackOptions,
): Generator<Attempt> {
  const { catalog } = scene.context
  for (const plot of plots.filter(({ attacker }) => attacker === plots[0]?.attacker)) {
    if (options.functions !== false)
      for (const routine of ours(catalog.functions.values(), scene.context, options))
        yield* functionAttempts(routine, plot, scene)
    const owned = scene.memberships.get(plot.role)
    for (const sequence of ours(catalog.sequences.values(), scene.context, options))
      if (!owned?.has(sequence.owner ?? '')) yield* sequenceAttempts(sequence, plot)
    if (options.only) continue
    yield* statisticsAttempts(analysed, plot)
    yield* escalationAttempts(plot, scene)
  }
}

function ours<T extends { schema: string; name: string }>(
  objects: Iterable<T>,
  { policy }: VerifyContext,
  { only }: AttackOptions,
): T[] {
  return [...objects].filter(
    (object) => !policy.ignoredSchemas.includes(object.schema) && (!only || only.includes(nameOf(object))),
  )
}
