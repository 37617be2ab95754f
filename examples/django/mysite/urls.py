from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import path, re_path

from notes import views

urlpatterns = [
    path("", views.index, name="index"),
    path("whoami", views.whoami),
    path("admin/", admin.site.urls),
    # "insecure" is Django's word for "slow": it looks a file up at each request. Enough for a style sheet and the
    # admin's; a site with more of them adds WhiteNoise.
    re_path(r"^static/(?P<path>.+)$", serve, {"insecure": True}),
]
