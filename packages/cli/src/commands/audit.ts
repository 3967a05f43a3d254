import { sealAudit, verifyAuditChain } from '@imhotep/kernel'
import { defineCommand } from '../command.ts'
import { printAudit, type AuditData } from '../output/audit.ts'
import { withTarget } from '../target/open-target.ts'

export const audit = defineCommand<AuditData>({
  name: 'audit',
  summary: 'seal the audit log, or prove that nobody changed it',
  description:
    'seal: closes the range of audit rows written since the last seal and chains its hash to the one before. ' +
    'verify: computes every seal again and names each row that was changed, removed or inserted. ' +
    'Exit code 1 when one was. Rows behind the last seal are counted as not sealed yet.',
  arguments: [{ name: '<action>', description: 'what to do', choices: ['verify', 'seal'] }],
  examples: [
    { run: 'imhotep audit seal', does: 'seal what was written since the last time' },
    { run: 'imhotep audit verify', does: 'prove that no audit row was changed' },
  ],
  run: (context) =>
    withTarget(context, async ({ db, target }) => {
      if (context.args[0] === 'seal') {
        return { ok: true, target, data: { action: 'seal' as const, logs: await sealAudit(db) } }
      }
      const logs = await verifyAuditChain(db)
      const ok = logs.every(({ problems }) => problems.length === 0)
      return { ok, target, data: { action: 'verify' as const, logs } }
    }),
  print: printAudit,
})
