/** The operations of schema/tasking that an application may call. */
export const taskingOperations = {} as const
