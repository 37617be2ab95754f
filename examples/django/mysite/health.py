from django.http import HttpResponse


def answer_ping(get_response):
    """
    Middleware, the first: answers /ping, by which mux knows that this instance is ready.

    Not a view, because the probe comes from no user and under no public name: it is not to be stopped by
    ALLOWED_HOSTS, nor to begin a session.
    """

    def middleware(request):
        if request.path_info == "/ping":
            return HttpResponse(status=204)
        return get_response(request)

    return middleware
