-- What stays of the body of a Stripe event once the people in it are erased: what the event is, of which object, and when. Nothing that is not in the
-- original, so that nobody can put other facts in its place.
CREATE OR REPLACE FUNCTION erased_event_body(body bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    event jsonb := convert_from(body, 'UTF8')::jsonb;
BEGIN
    RETURN convert_to(jsonb_build_object(
        'id', event -> 'id', 'object', 'event', 'type', event -> 'type', 'created', event -> 'created', 'livemode', event -> 'livemode',
        'data', jsonb_build_object('object', jsonb_build_object('id', event #> '{data,object,id}', 'object', event #> '{data,object,object}'))
    )::text, 'UTF8');
EXCEPTION WHEN data_exception THEN  -- A text that jsonb cannot hold.
    RETURN convert_to('{}', 'UTF8');
END
$$;
