import type { Routine } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const definerSearchPath = defineRule<Routine>({
  id: 'definer-search-path',
  family: 'privileges',
  severity: 'error',
  effect: "Whoever calls the function can put objects of their own before ours and run code with the owner's rights.",
  instead:
    'create function ... security definer set search_path = pg_catalog, pg_temp; owned by a role without superuser and BYPASSRLS.',
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

/**
 * The server's own schema, then pg_temp by name: left out, pg_temp is searched first for types and tables, and a caller's
 * temporary domain named like a built-in type would run its check as the owner.
 */
function isPinned(setting: string): boolean {
  const names = setting
    .slice(setting.indexOf('=') + 1)
    .split(',')
    .map((name) => name.replaceAll(/["'\s]/g, ''))
  return names.at(-1) === 'pg_temp' && names.slice(0, -1).every((name) => name === 'pg_catalog')
}
