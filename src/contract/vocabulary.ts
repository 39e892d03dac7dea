// The names that checks may use: any strings, until a file generated from the policy narrows them.

declare global {
  /** The app's policy as types, for everything that imports `fastify-permit`. */
  namespace FastifyPermit {
    /**
     * Empty by default, so that every name is a string. The file that `fastify-permit types` generates extends it with the policy's
     * resource types, actions, roles, relations and attributes, which the compiler and the editor then check.
     *
     * ```ts
     * declare namespace FastifyPermit {
     *   interface Policy {
     *     resources: { task: { actions: 'create' | 'retrieve', roles: 'owner', relations: never } }
     *     roles: 'admin' | 'viewer'
     *   }
     * }
     * ```
     */
    interface Policy {}
  }
}

/** The policy's resource types, or `unknown` without a generated file. */
type Resources = FastifyPermit.Policy extends { resources: infer Known extends object } ? Known : unknown

/** A resource type, such as `task`. */
export type ResourceType = unknown extends Resources ? string : keyof Resources & string

/** A name of a resource type: one of its `actions`, `roles` or `relations`. */
type WordOf<T extends ResourceType, Kind extends string> =
  T extends keyof Resources ? Resources[T] extends { [K in Kind]: infer Words extends string } ? Words : never : string

/** An action on a resource of type `T`, such as `retrieve`. */
export type ActionOf<T extends ResourceType> = WordOf<T, 'actions'>

/** A role on instances of type `T`. */
export type ResourceRoleOf<T extends ResourceType> = WordOf<T, 'roles'>

/** A relation from another instance to one of type `T`. */
export type RelationOf<T extends ResourceType> = WordOf<T, 'relations'>

type AnyAttributes = Readonly<Record<string, unknown>>

/** The attributes of a resource of type `T`: those that the policy declares, or any when it declares none. */
export type AttributesOf<T extends ResourceType> =
  T extends keyof Resources
    ? Resources[T] extends { attributes: infer Known extends object } ? Readonly<Known> : AnyAttributes
    : AnyAttributes

/** The attributes of a user: those that the policy declares, or any when it declares none. */
export type UserAttributes = FastifyPermit.Policy extends { user_attributes: infer Known extends object } ? Readonly<Known> : AnyAttributes

/** The attributes of a tenant: those that the policy declares, or any when it declares none. */
export type TenantAttributes = FastifyPermit.Policy extends { tenant_attributes: infer Known extends object }
  ? Readonly<Known>
  : AnyAttributes

/** The context of a check: any values; those that conditions read have their types. */
export type ContextValues = FastifyPermit.Policy extends { context: infer Known extends object }
  ? Readonly<Known> & AnyAttributes
  : AnyAttributes

/** A permission in Permit's spelling, `<type>:<action>`. */
export type PermissionName = unknown extends Resources ? string : { [T in ResourceType]: `${T}:${ActionOf<T>}` }[ResourceType]

/** A role in a tenant. */
export type RoleName = FastifyPermit.Policy extends { roles: infer Known extends string } ? Known : string

/** An instance of type `T`, as `type:key`. */
export type InstanceText<T extends ResourceType> = string extends T ? string : `${T}:${string}`
