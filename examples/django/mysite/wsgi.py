"""What gunicorn serves: `gunicorn mysite.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

# mux has set it already, for this instance; this is for a start by hand.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

application = get_wsgi_application()
