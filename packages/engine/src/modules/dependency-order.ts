import { compareText } from './compare-text.ts'
import type { Module } from './module.ts'

type Node = Pick<Module, 'name' | 'requires'>

/** Modules so that each stands behind all that it requires; among equals by name. Unknown names in `requires` do not count. */
export function dependencyOrder<M extends Node>(modules: readonly M[]): M[] {
  const waiting = [...modules].toSorted((a, b) => compareText(a.name, b.name))
  const names = new Set(waiting.map((module) => module.name))
  const done = new Set<string>()
  const ordered: M[] = []
  while (waiting.length > 0) {
    const at = waiting.findIndex((module) => module.requires.every((name) => done.has(name) || !names.has(name)))
    const [next] = waiting.splice(Math.max(at, 0), 1) // a cycle (refused when modules are read) is broken by name
    if (!next) break
    done.add(next.name)
    ordered.push(next)
  }
  return ordered
}

/** For each module the names of all that it requires, also by way of others. */
export function allRequired(modules: readonly Node[]): ReadonlyMap<string, readonly string[]> {
  const required = new Map<string, string[]>()
  for (const { name, requires } of dependencyOrder(modules))
    required.set(name, [...new Set(requires.flatMap((own) => [...(required.get(own) ?? []), own]))])
  return required
}

/** A circle in `requires` as the names along it, first = last; null when there is none. */
export function requireCycle(modules: readonly Node[]): string[] | null {
  const byName = new Map(modules.map((module) => [module.name, module]))
  const finished = new Set<string>()
  const visit = (name: string, trail: string[]): string[] | null => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name]
    if (finished.has(name)) return null
    for (const required of byName.get(name)?.requires ?? []) {
      const cycle = visit(required, [...trail, name])
      if (cycle) return cycle
    }
    finished.add(name)
    return null
  }
  for (const name of [...byName.keys()].toSorted(compareText)) {
    const cycle = visit(name, [])
    if (cycle) return cycle
  }
  return null
}
