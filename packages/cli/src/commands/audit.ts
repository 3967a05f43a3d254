import { packAuditLogs, sealAudit, verifyAuditChain } from '@imhotep/kernel'
import { defineCommand } from '../command.ts'
import { printAudit, type AuditData } from '../output/audit.ts'
import { withTarget } from '../target/open-target.ts'

export const audit = defineCommand<AuditData>({
  name: 'audit',
  summary: 'seal the audit log, prove that nobody changed it, or pack its old months',
  description:
    'seal: closes the range of audit rows written since the last seal and chains its hash to the one before. ' +
    'verify: computes every seal again and names each row that was changed, removed or inserted. ' +
    'Exit code 1 when one was. Rows behind the last seal are counted as not sealed yet. ' +
    'pack: compresses the months that ended 90 days ago, reads them back and drops them; may be stopped and run again.',
  arguments: [{ name: '<action>', description: 'what to do', choices: ['verify', 'seal', 'pack'] }],
  examples: [
    { run: 'imhotep audit seal', does: 'seal what was written since the last time' },
    { run: 'imhotep audit verify', does: 'prove that no audit row was changed' },
    { run: 'imhotep audit pack', does: 'compress the months that ended 90 days ago' },
  ],
  run: (context) =>
    withTarget(context, async ({ db, target }) => {
      if (context.args[0] === 'seal') {
        return { ok: true, target, data: { action: 'seal' as const, logs: await sealAudit(db) } }
      }
      if (context.args[0] === 'pack') {
        return { ok: true, target, data: { action: 'pack' as const, months: await packAuditLogs(db) } }
      }
      const logs = await verifyAuditChain(db)
      const ok = logs.every(({ problems }) => problems.length === 0)
      return { ok, target, data: { action: 'verify' as const, logs } }
    }),
  print: printAudit,
})
