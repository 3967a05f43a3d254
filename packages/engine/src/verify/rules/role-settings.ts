import type { VerifyContext } from '../context.ts'
import type { LoginSetting, ParameterGrant } from '../facts.ts'
import { defineRule } from '../rule.ts'

type Subject = { readonly setting: LoginSetting } | { readonly right: ParameterGrant }

export const roleSettings = defineRule<Subject>({
  id: 'role-settings',
  family: 'privileges',
  severity: 'error',
  effect:
    'A session starts with a tenant that nobody chose, as another role, or without triggers and foreign keys; or the ' +
    'application can bring that about.',
  instead:
    'alter role .. reset ..; alter database .. reset ..; revoke set on parameter .. from ..; a request sets its tenant ' +
    'itself, and nothing else of these.',
  *subjects({ facts }) {
    for (const setting of facts.settings) yield { setting }
    for (const right of facts.parameterGrants) yield { right }
  },
  *check(subject, context) {
    if ('setting' in subject) {
      const { role, name, value } = subject.setting
      const title = role === null ? 'every role' : titleOf(role, context)
      if (title !== null && guarded(context).includes(name))
        yield { object: role ?? name, message: `${title} logs in with ${name}=${value}` }
      return
    }
    const { grantee, parameter, privilege } = subject.right
    const title = grantee === 'public' ? 'every role' : titleOf(grantee, context)
    if (title === null) return
    if (privilege === 'ALTER SYSTEM')
      yield { object: grantee, message: `${title} may set ${parameter} for the whole server` }
    else if (guarded(context).includes(parameter)) yield { object: grantee, message: `${title} may set ${parameter}` }
  },
})

function guarded({ policy }: VerifyContext): string[] {
  return [policy.contextSetting, 'session_replication_role', 'row_security', 'role']
}

/** Null for a role that is no application's. */
function titleOf(role: string, { applicationRoles, applicationLogins }: VerifyContext): string | null {
  if (applicationRoles.has(role)) return `application role ${role}`
  return applicationLogins.includes(role) ? `login ${role}, in an application role,` : null
}
