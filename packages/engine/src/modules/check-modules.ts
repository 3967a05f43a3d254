import type { Finding } from '../verify/finding.ts'
import { checkModuleBoundaries } from './check-module-boundaries.ts'
import type { Module } from './module.ts'

/** Everything that a reviewer would otherwise look for in a set of modules: boundaries kept, a README in each. */
export async function checkModules(modules: readonly Module[]): Promise<Finding[]> {
  return [
    ...(await checkModuleBoundaries(modules)),
    ...modules.filter((module) => !module.hasReadme).map(readmeMissing),
  ]
}

function readmeMissing(module: Module): Finding {
  return {
    rule: 'module-readme',
    family: 'structure',
    severity: 'error',
    file: `${module.name}/README.md`,
    line: null,
    column: null,
    object: module.name,
    message: `module ${module.name} has no README.md`,
    related: [],
    help: 'write what the module means, its operations and their failure codes',
    fix: null,
  }
}
