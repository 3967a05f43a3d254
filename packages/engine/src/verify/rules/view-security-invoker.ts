import type { View } from '../../catalog/model.ts'
import { qualified } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const viewSecurityInvoker = defineRule<View>({
  id: 'view-security-invoker',
  family: 'privileges',
  severity: 'error',
  effect: "The view reads with its owner's rights and policies, not the caller's; a materialized view has no policies.",
  instead: 'create view ... with (security_invoker = true); grant a materialized view to nobody.',
  *subjects(context) {
    if (!context.hasRowSecurity) return
    for (const view of context.catalog.views.values())
      if (!context.policy.ignoredSchemas.includes(view.schema)) yield view
  },
  *check(view) {
    const object = nameOf(view)
    const at = { object, position: view.position }
    if (!view.materialized) {
      if (view.securityInvoker) return
      yield {
        ...at,
        message: `view ${object} runs as its owner`,
        fix: `alter view ${qualified(view)} set (security_invoker = true);`,
      }
      return
    }
    const readers = new Set(view.grants.map((grant) => grant.grantee).filter((grantee) => grantee !== view.owner))
    if (readers.size > 0)
      yield { ...at, message: `materialized view ${object} is granted to ${[...readers].join(', ')}` }
  },
})
