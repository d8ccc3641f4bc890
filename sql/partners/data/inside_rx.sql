-- The functions behind calls of Inside Rx.

INSERT INTO murallink_private.call_kind (resource, partner, judges, follows)
VALUES ('participation', 'inside_rx', 'inside_rx_judge', 'participations_follow'), ('request', 'inside_rx', 'inside_rx_judge', '');
