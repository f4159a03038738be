"""Who hears whom: edges between ports, rooms, and what follows from them for every port."""



from pbx.native.core cimport Core

cdef void hear(Core *core, int index, int other) noexcept nogil
cdef void unhear(Core *core, int index, int other) noexcept nogil
cdef void deaf(Core *core, int index) noexcept nogil
cdef void unlink(Core *core, int index) noexcept nogil
cdef void join(Core *core, int index, int room, bint muted) noexcept nogil
cdef void leave(Core *core, int index) noexcept nogil
cdef void plan(Core *core, int index) noexcept nogil
cdef void plan_dirty(Core *core) noexcept nogil
