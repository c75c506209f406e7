"""Checks for checker.py that the database still refuses what is wrong: each table, constraint, trigger and function is as this version made it.

guards.txt has one digest for each, made from a new database (`make guards`), so that a change to a guard shows in a review. It also lists what
the service may change. Where the database has one role alone, which may do everything, there is nothing to compare with that list.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text

from campaign.reporting.integrity.snapshot import rows

FILE = Path(__file__).with_name("guards.txt")

# While a new version is being installed, a worker of the one before it may run the check: that must not pause matching.
OF_ANOTHER_VERSION = "I20: the guards of the books are those of another version"


def guards_in_force(connection: Connection) -> dict[str, str]:
    """A digest for each guard in the database, by name, such as `constraint fund.within_pledge`.

    The names that begin with `version` say which version made the database: its revision, and the file of each function.
    """
    return {str(name): str(digest) for name, digest in connection.execute(text(_GUARDS))}


def permitted_guards() -> dict[str, str]:
    """The digests in guards.txt."""
    return {name: digest for digest, _, name in (line.partition(" ") for line in FILE.read_text(encoding="utf-8").splitlines())}


def guards_are_unchanged(snapshot: Connection) -> Iterator[str]:
    """I20: no guard is missing, disabled or changed, and nothing is added to a table of ours, nor to what the service may change.

    Other tables, views and functions may be there. A privilege that the service lacks is no finding: what needs it fails.
    """
    permitted, found = permitted_guards(), guards_in_force(snapshot)
    if any(found.get(name, digest) != digest for name, digest in permitted.items() if name.startswith("version")):
        yield f"{OF_ANOTHER_VERSION}, so they were not compared: run `campaign setup`, and restart what still runs the version before."
        return
    for name, digest in permitted.items():
        if name not in found:
            if not name.startswith(("version", "privilege of the service")):
                yield f"I20: the {name} is missing."
        elif found[name] != digest:
            yield f"I20: the {name} is disabled, or is not as this version made it."
    for name in sorted(found.keys() - permitted.keys()):
        owner, dot, _ = name.rpartition(" ")[2].partition(".")
        if dot and f"table {owner}" in permitted:
            yield f"I20: the {name} is not one of this version."


def service_is_not_owner(snapshot: Connection) -> Iterator[str]:
    """I20: the service cannot obtain what the owner of the tables may do."""
    for role, what in rows(snapshot, _POWERS):
        yield f"I20: the role {role} of the service {what}."


def triggers_fire(snapshot: Connection) -> Iterator[str]:
    """I20: no setting of the database or the role keeps triggers from firing."""
    for (setting,) in rows(snapshot, "SELECT current_setting('session_replication_role')"):
        if setting != "origin":
            yield f"I20: session_replication_role is {setting}, so no trigger fires."


# The roles that act for the service: its group, and those that log in as members of it.
_OF_SERVICE = """
    of_service AS (SELECT r.* FROM pg_roles r JOIN pg_roles s ON s.rolname = 'campaign_service' AND pg_has_role(r.oid, s.oid, 'USAGE')
                   JOIN pg_class c ON c.relname = 'ledger_entry' AND c.relnamespace = current_schema()::regnamespace
                   WHERE r.oid = s.oid OR NOT r.rolsuper AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER'))
    """
_POWERS = f"""
    WITH {_OF_SERVICE}
    SELECT rolname, 'is a superuser' FROM of_service WHERE rolsuper
    UNION ALL SELECT rolname, 'is a member of the owner of the tables' FROM of_service r
        JOIN pg_class c ON c.relname = 'ledger_entry' AND c.relnamespace = current_schema()::regnamespace WHERE NOT rolsuper AND pg_has_role(r.oid, c.relowner, 'MEMBER')
    UNION ALL SELECT rolname, 'may create objects beside the tables' FROM of_service r
        WHERE NOT rolsuper AND has_schema_privilege(r.oid, current_schema()::regnamespace, 'CREATE')
    UNION ALL SELECT rolname, format('may execute the function %s as its owner', proname) FROM of_service r
        JOIN pg_proc p ON pronamespace = current_schema()::regnamespace AND prosecdef AND NOT rolsuper AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
        WHERE prorettype = 'trigger'::regtype
    UNION ALL SELECT rolname, 'may set session_replication_role' FROM of_service r
        WHERE NOT rolsuper AND has_parameter_privilege(r.oid, 'session_replication_role', 'SET')
    ORDER BY 1, 2
    """  # noqa: S608  # no value of others

# Names of the schema are left out of definitions, so that it may have any name. Keys and NOT NULL are constraints or columns;
# indexes count where they are unique.
_GUARDS = rf"""
    WITH {_OF_SERVICE}, of_us AS (SELECT c.* FROM pg_class c WHERE relnamespace = current_schema()::regnamespace
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
    functions AS (SELECT p.* FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
    definition (name, content) AS (
        SELECT 'version', string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version
        UNION ALL
        SELECT format('version of function %s', proname), coalesce(obj_description(oid, 'pg_proc'), '') FROM functions
        UNION ALL
        SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(oid)),
            concat_ws(' ', prokind, prosecdef, proretset, provolatile, proisstrict, proleakproof, prorettype::regtype,
                      (SELECT lanname FROM pg_language l WHERE l.oid = prolang), array_to_string(proconfig, ','), pg_get_expr(proargdefaults, 0), prosrc)
        FROM functions
        UNION ALL
        SELECT format('trigger %s.%s', c.relname, t.tgname),
            concat(CASE WHEN tgenabled IN ('O', 'A') THEN 'enabled' ELSE tgenabled::text END, ' ', pg_get_triggerdef(t.oid))
        FROM pg_trigger t JOIN of_us c ON c.oid = tgrelid WHERE NOT tgisinternal
        UNION ALL
        SELECT format('constraint %s.%s', c.relname, k.conname), concat_ws(' ', convalidated, condeferrable, condeferred, pg_get_constraintdef(k.oid))
        FROM pg_constraint k JOIN of_us c ON c.oid = conrelid WHERE contype IN ('c', 'p', 'u', 'f', 'x')
        UNION ALL
        SELECT format('foreign key of %s', c.relname), string_agg(DISTINCT tgenabled::text, ',')
        FROM pg_trigger t JOIN of_us c ON c.oid = tgrelid WHERE tgisinternal GROUP BY c.relname
        UNION ALL
        SELECT format('unique index %s.%s', c.relname, x.relname), concat_ws(' ', indisvalid, indislive, pg_get_indexdef(i.indexrelid))
        FROM pg_index i JOIN of_us c ON c.oid = indrelid JOIN pg_class x ON x.oid = indexrelid WHERE indisunique
        UNION ALL
        SELECT format('rule %s.%s', c.relname, r.rulename), concat(r.ev_enabled, ' ', pg_get_ruledef(r.oid))
        FROM pg_rewrite r JOIN of_us c ON c.oid = ev_class WHERE rulename <> '_RETURN'
        UNION ALL
        SELECT format('table %s', c.relname), concat_ws(' ', relkind, relpersistence, relrowsecurity, EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid), (
            SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                                        pg_get_expr(adbin, adrelid)), ', ' ORDER BY attname)
            FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
        FROM of_us c WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION ALL
        SELECT DISTINCT format('privilege of the service %s.%s', c.relname, what), ''
        FROM of_us c, of_service r, unnest('{{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}}'::text[]) what
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege(r.oid, c.oid, what)
        UNION ALL
        SELECT DISTINCT format('privilege of the service %s.%s(%s)', c.relname, what, a.attname), ''
        FROM of_us c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND attacl IS NOT NULL, of_service r, unnest('{{INSERT,UPDATE}}'::text[]) what
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND has_column_privilege(r.oid, c.oid, a.attnum, what) AND NOT has_table_privilege(r.oid, c.oid, what))
    SELECT name, encode(sha256(convert_to(replace(replace(content, quote_ident(current_schema()) || '.', ''),
                                                  'search_path=' || quote_ident(current_schema()) || ',', 'search_path='), 'UTF8')), 'hex')
    FROM definition
"""  # noqa: S608  # no value of others

CHECKS = (guards_are_unchanged, service_is_not_owner, triggers_fire)
