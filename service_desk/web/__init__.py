"""HTTP: routes to actions and queries, sessions, webhooks, pages. Knows no rule of the desk's business."""
