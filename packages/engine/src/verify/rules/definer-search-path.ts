import type { Routine } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const definerSearchPath = defineRule<Routine>({
  id: 'definer-search-path',
  family: 'privileges',
  severity: 'error',
  effect: "Whoever calls the function can put objects of their own before ours and run code with the owner's rights.",
  instead:
    "create function ... security definer set search_path = ''; owned by a role without superuser and BYPASSRLS.",
  *subjects(context) {
    for (const routine of context.catalog.functions.values()) {
      if (routine.securityDefiner && !context.policy.ignoredSchemas.includes(routine.schema)) yield routine
    }
  },
  *check(routine, context) {
    const object = `${nameOf(routine)}(${routine.argumentTypes.join(', ')})`
    const at = { object, position: routine.position }
    const path = routine.settings.find((setting) => setting.toLowerCase().startsWith('search_path'))
    if (path === undefined) yield { ...at, message: `SECURITY DEFINER function ${object} does not pin search_path` }
    else if (!isPinned(path))
      yield { ...at, message: `SECURITY DEFINER function ${object} searches schemas that others can write to` }
    const owner = context.catalog.roles.get(routine.owner ?? '')
    if (owner?.superuser || owner?.bypassRls) {
      yield { ...at, message: `SECURITY DEFINER function ${object} is owned by ${owner.name}, whom no policy holds` }
    }
  },
})

/** Nothing, or the server's own schema only, with or without pg_temp at the end. */
function isPinned(setting: string): boolean {
  const names = setting
    .slice(setting.indexOf('=') + 1)
    .split(',')
    .map((name) => name.replaceAll(/["'\s]/g, ''))
    .filter((name) => name !== '')
  return names.every((name, index) => name === 'pg_catalog' || (name === 'pg_temp' && index === names.length - 1))
}
