CREATE TYPE murallink.site_info AS (uid murallink.ksuid, name text, contract_uid murallink.ksuid);
COMMENT ON TYPE murallink.site_info IS 'A site, as create_site answers.';

CREATE TYPE murallink.site_name AS (uid murallink.ksuid, name text);
COMMENT ON TYPE murallink.site_name IS 'A site inside another answer.';

CREATE TYPE murallink.trial_site_info AS (
    uid murallink.ksuid, site_uid murallink.ksuid, trial_uid murallink.ksuid, site murallink.site_name, trial murallink.trial_info);
COMMENT ON TYPE murallink.trial_site_info IS 'A trial at a site, as add_trial_site answers.';

CREATE FUNCTION murallink.associate_site(trial_uid murallink.ksuid, site_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    added murallink.ksuid;
BEGIN
    INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
    SELECT client_uid, contract_uid, uid, associate_site.site_uid FROM murallink.trial WHERE uid = associate_site.trial_uid
    ON CONFLICT (trial_uid, site_uid) DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink.raise('already_exists', 'site_uid');
    END IF;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink.associate_site(murallink.ksuid, murallink.ksuid) IS
'Makes a site take part in a trial and returns the uid of that. Errors: already_exists.';

CREATE FUNCTION murallink.create_site(
    name text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL,
    time_zone text DEFAULT NULL
) RETURNS murallink.site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    the_contract murallink.contract;
    the_trial murallink.trial;
    added murallink.site;
BEGIN
    IF create_site.trial_uid IS NULL THEN
        SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink.required(create_site.contract_uid, 'contract_uid');
        caller := murallink.permit('create_site', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    ELSE
        SELECT * INTO the_trial FROM murallink.trial WHERE uid = create_site.trial_uid;
        caller := murallink.permit('create_site', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
        IF create_site.contract_uid <> the_trial.contract_uid THEN
            PERFORM murallink.raise('invalid_value', 'contract_uid');
        END IF;
        SELECT * INTO the_contract FROM murallink.contract WHERE uid = the_trial.contract_uid;
    END IF;
    INSERT INTO murallink.site (client_uid, contract_uid, name, time_zone)
    VALUES (
        the_contract.client_uid, the_contract.uid, murallink.checked_text(create_site.name, 'name', 200, true),
        murallink.checked_time_zone(create_site.time_zone, 'time_zone'))
    RETURNING * INTO added;
    IF the_trial.uid IS NOT NULL THEN
        PERFORM murallink.associate_site(the_trial.uid, added.uid);
    END IF;
    RETURN ROW(added.uid, added.name, added.contract_uid);
END
$$;
COMMENT ON FUNCTION murallink.create_site(text, murallink.ksuid, murallink.ksuid, text) IS
'Adds a site to a contract (document: Create Site). trial_uid or contract_uid is required; with trial_uid the site takes part in that trial at once. time_zone: a name of the tz database. Needs create_site on the contract or on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.add_trial_site(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS murallink.trial_site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    the_trial murallink.trial;
    the_site murallink.site;
BEGIN
    SELECT * INTO the_trial FROM murallink.trial WHERE uid = murallink.required(add_trial_site.trial_uid, 'trial_uid');
    caller := murallink.permit('add_trial_site', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
    SELECT * INTO the_site FROM murallink.site WHERE uid = murallink.required(add_trial_site.site_uid, 'site_uid');
    caller := murallink.permit('add_trial_site', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid, 'site_uid');
    RETURN ROW(murallink.associate_site(the_trial.uid, the_site.uid), the_site.uid, the_trial.uid, NULL::murallink.site_name, NULL::murallink.trial_info);
END
$$;
COMMENT ON FUNCTION murallink.add_trial_site(murallink.ksuid, murallink.ksuid) IS
'Associates a site with a trial, also one of another contract (document: Add Trial Site). Needs add_trial_site on both. Errors: unauthenticated, forbidden, not_found, missing_field, already_exists.';

CREATE FUNCTION murallink.resource(
    resource_uid murallink.ksuid, OUT kind text, OUT name text, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid,
    OUT trial_uid murallink.ksuid, OUT site_uid murallink.ksuid)
LANGUAGE sql STABLE AS $$
    SELECT 'client', name, uid, NULL::murallink.ksuid, NULL::murallink.ksuid, NULL::murallink.ksuid
    FROM murallink.client WHERE uid = resource_uid
    UNION ALL SELECT 'contract', name, client_uid, uid, NULL, NULL FROM murallink.contract WHERE uid = resource_uid
    UNION ALL SELECT 'trial', name, client_uid, contract_uid, uid, NULL FROM murallink.trial WHERE uid = resource_uid
    UNION ALL SELECT 'site', name, client_uid, contract_uid, NULL, uid FROM murallink.site WHERE uid = resource_uid
    UNION ALL SELECT 'trial_site', t.name || ' at ' || s.name, a.client_uid, a.contract_uid, a.trial_uid, a.site_uid
    FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid JOIN murallink.site s ON s.uid = a.site_uid
    WHERE a.uid = resource_uid
$$;
COMMENT ON FUNCTION murallink.resource(murallink.ksuid) IS
'The client, contract, trial, site or trial at a site with a uid, and where it stands; nulls when there is none.';

CREATE FUNCTION murallink.trial_visible(trial_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.trial t WHERE t.uid = $1 AND murallink.visible(t.client_uid, t.contract_uid, t.uid, NULL))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.trial_uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink.trial_visible(murallink.ksuid) IS
'Whether the caller holds any permission at a trial, or at it at one of its sites, and so may know that it exists.';

CREATE FUNCTION murallink.site_visible(site_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.site s WHERE s.uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, NULL, s.uid))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.site_uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink.site_visible(murallink.ksuid) IS
'Whether the caller holds any permission at a site, or at one of its trials there, and so may know that it exists.';

CREATE FUNCTION murallink.trial_at_site(trial_uid murallink.ksuid, site_uid murallink.ksuid, permission murallink.permission)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    place murallink.trial_site;
BEGIN
    SELECT * INTO place FROM murallink.trial_site
    WHERE trial_uid = murallink.required(trial_at_site.trial_uid, 'trial_uid')
    AND site_uid = murallink.required(trial_at_site.site_uid, 'site_uid');
    IF FOUND THEN
        caller := murallink.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'trial_uid');
        RETURN place.uid;
    ELSIF NOT murallink.trial_visible(trial_at_site.trial_uid) THEN
        PERFORM murallink.raise('not_found', 'trial_uid');
    ELSIF NOT murallink.site_visible(trial_at_site.site_uid) THEN
        PERFORM murallink.raise('not_found', 'site_uid');
    END IF;
    PERFORM murallink.raise('not_associated', 'site_uid');
END
$$;
COMMENT ON FUNCTION murallink.trial_at_site(murallink.ksuid, murallink.ksuid, murallink.permission) IS
'The uid of a trial at a site, where the caller holds the permission. Errors: unauthenticated, missing_field, forbidden, not_found, not_associated.';
