import { serves } from '../../ledger/states.ts'
import { looseOrphansOf } from '../../operations/loose-keys.ts'
import { openServiceDatabase } from '../../postgres/open-postgres-side.ts'
import { judgeProblems, notApplicable, type GuideTest } from '../guide-test.ts'

export const orphansInside: GuideTest = {
  name: 'orphans inside',
  asks: 'does every foreign key inside of the service lead to a row?',
  async run({ split, plan, service, isCopied }) {
    if (!isCopied) return notApplicable('its rows are still being copied')
    const side = await openServiceDatabase(split.adminUrl(service.database), {
      origin: plan.kind,
      foreignKeys: service.innerKeys,
    })
    try {
      const orphans = await side.orphans()
      return judgeProblems(
        orphans.map(({ table, constraint, rows }) => `${table.name}.${constraint}: ${rows} rows lead nowhere`),
        `${service.innerKeys.length} foreign keys, no orphan`,
      )
    } finally {
      await side.close()
    }
  },
}

export const orphansAcross: GuideTest = {
  name: 'orphans across',
  asks: 'does every key into another service lead to a row there?',
  async run({ split, plan, service: { name }, signal }) {
    const own = new Set(
      (await split.ledger.all()).filter(({ state }) => serves(state) === 'own').map((one) => one.service),
    )
    const keys = plan.looseKeys.filter(({ child, parent }) => child.service === name || parent.service === name)
    const loose = keys.filter(({ child, parent }) => own.has(child.service) || own.has(parent.service))
    if (keys.length === 0) return notApplicable('no key leads out of the service or into it')
    if (loose.length === 0) return notApplicable('both ends of its keys are still in the shared database')
    const names = new Set(loose.map((key) => key.name))
    const orphans = (await looseOrphansOf(split, signal)).filter((orphan) => names.has(orphan.name))
    return judgeProblems(
      orphans.map(
        (orphan) => `${orphan.name}: ${orphan.keys} keys lead nowhere (imhotep split loose-keys settles deletions)`,
      ),
      `${loose.length} loose keys, no orphan`,
    )
  },
}
