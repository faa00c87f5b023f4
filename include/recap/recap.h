/* recap.h: everything that librecap offers: link with `pkg-config --libs recap`. */
#ifndef RECAP_RECAP_H
#define RECAP_RECAP_H

#include <recap/capability.h>
#include <recap/checkpoint.h>
#include <recap/error.h>
#include <recap/native_pd.h>

#endif
