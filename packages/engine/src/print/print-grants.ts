import { quoteIdentifier } from '../bundle/quote.ts'
import { compareText } from '../modules/compare-text.ts'
import type { Grant, Routine } from '../catalog/model.ts'
import { qualified, quoteRole } from './sql-text.ts'

/** GRANT and REVOKE that turn one list of grants into another. `target` is what stands behind ON. */
export function grantStatements(target: string, before: readonly Grant[], after: readonly Grant[]): string[] {
  const isIn = (list: readonly Grant[], grant: Grant) => list.some((own) => sameGrant(own, grant))
  const hasPlain = (list: readonly Grant[], grant: Grant) =>
    list.some((own) => sameGrant({ ...own, grantable: grant.grantable }, grant))

  const gone = before.filter((grant) => !hasPlain(after, grant))
  const lessen = before.filter((grant) => grant.grantable && hasPlain(after, grant) && !isIn(after, grant))
  const added = after.filter((grant) => !isIn(before, grant))
  return [
    ...byGrantee(gone).map((group) => `revoke ${privileges(group)} on ${target} from ${quoteRole(granteeOf(group))}`),
    ...byGrantee(lessen).map(
      (group) => `revoke grant option for ${privileges(group)} on ${target} from ${quoteRole(granteeOf(group))}`,
    ),
    ...byGrantee(added).map((group) => {
      const option = group[0]?.grantable ? ' with grant option' : ''
      return `grant ${privileges(group)} on ${target} to ${quoteRole(granteeOf(group))}${option}`
    }),
  ]
}

function sameGrant(a: Grant, b: Grant): boolean {
  return a.grantee === b.grantee && a.privilege === b.privilege && a.column === b.column && a.grantable === b.grantable
}

/** One statement for each grantee, with and without grant option. */
function byGrantee(grants: readonly Grant[]): Grant[][] {
  const groups = new Map<string, Grant[]>()
  for (const grant of grants) {
    const key = `${grant.grantee} ${grant.grantable}`
    groups.set(key, [...(groups.get(key) ?? []), grant])
  }
  return [...groups].toSorted(([a], [b]) => compareText(a, b)).map(([, group]) => group)
}

function granteeOf(group: readonly Grant[]): string {
  return group[0]?.grantee ?? ''
}

const ORDER = [
  'usage',
  'create',
  'select',
  'insert',
  'update',
  'delete',
  'truncate',
  'references',
  'trigger',
  'maintain',
]

/** `select, insert (a, b)`. */
function privileges(group: readonly Grant[]): string {
  const columns = new Map<string, string[]>()
  for (const { privilege, column } of group) {
    const known = columns.get(privilege) ?? []
    columns.set(privilege, column === null ? known : [...known, column])
  }
  const whole = new Set(group.filter(({ column }) => column === null).map(({ privilege }) => privilege))
  return [...columns]
    .toSorted(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
    .flatMap(([privilege, names]) => [
      ...(whole.has(privilege) ? [privilege] : []),
      ...(names.length > 0 ? [`${privilege} (${names.map(quoteIdentifier).join(', ')})`] : []),
    ])
    .join(', ')
}

/** `a.f(text, integer)`: what names a routine in GRANT, COMMENT, ALTER and DROP. */
export function routineSignature(routine: Pick<Routine, 'schema' | 'name' | 'argumentTypes' | 'kind'>): string {
  const types = routine.argumentTypes.join(', ')
  return `${qualified(routine)}(${routine.kind === 'aggregate' && types === '' ? '*' : types})`
}
