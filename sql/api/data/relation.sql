-- The functions by which PostgREST finds what belongs together.

PERFORM murallink_private.make_relations();
