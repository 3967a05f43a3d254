export * from './model.ts'
export * from './side.ts'
