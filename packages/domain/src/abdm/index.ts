// Wrappers of the operations of schema/abdm.
export {}
