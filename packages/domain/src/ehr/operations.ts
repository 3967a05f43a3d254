/** The operations of schema/ehr that an application may call. */
export const ehrOperations = {} as const
