/* dot.c: slots -> objects -> objects in graphviz's language. */
#include "cli/dot.h"

#include <errno.h>
#include <stdlib.h>

/* Text inside an HTML-like label. Control characters become spaces: graphviz refuses them. */
static void write_text(FILE *stream, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        switch (*at) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        default:
            putc(*at < 0x20 || *at == 0x7f ? ' ' : *at, stream);
        }
    }
}

static void write_pd(const struct recap_graph *graph, size_t index, FILE *stream)
{
    const struct recap_pd_image *pd = &graph->pds[index];
    char rights[128];
    fprintf(stream,
            "  pd%zu [shape=plain, label=<<table border=\"0\" cellborder=\"1\" cellspacing=\"0\" "
            "cellpadding=\"4\">\n    <tr><td colspan=\"2\" bgcolor=\"#dbe7f3\"><b>",
            index);
    write_text(stream, pd->name ? pd->name : "process");
    fprintf(stream, "</b> %llu</td></tr>\n", (unsigned long long)pd->id);
    for (size_t i = 0; i < pd->slot_count; i++)
        fprintf(stream, "    <tr><td>%llu</td><td port=\"s%llu\">%s%s</td></tr>\n",
                (unsigned long long)pd->slots[i].selector,
                (unsigned long long)pd->slots[i].selector,
                recap_rights_text(pd->slots[i].rights, rights, sizeof rights),
                pd->slots[i].flags & RECAP_SLOT_CLOSE_ON_EXEC ? ", close-on-exec" : "");
    fputs("  </table>>];\n", stream);
}

struct edges {
    const struct recap_graph *graph;
    bool *reached; /* by object id */
    uint64_t from;
    FILE *stream; /* NULL: only find what is reached */
    bool grown;
};

static int visit(void *context, uint64_t id, bool tie)
{
    struct edges *edges = context;
    if (!recap_graph_object(edges->graph, id))
        return 0;
    if (edges->stream)
        fprintf(edges->stream, "  o%llu -> o%llu%s;\n", (unsigned long long)edges->from,
                (unsigned long long)id, tie ? " [style=dashed]" : "");
    edges->grown |= !edges->reached[id];
    edges->reached[id] = true;
    return 0;
}

static void write_object(const struct recap_object *object, FILE *stream)
{
    fprintf(stream, "  o%llu [label=<<b>%s</b><br/>", (unsigned long long)object->id, object->kind);
    write_text(stream, object->label ? object->label : "");
    fprintf(stream, ">%s];\n",
            object->external ? ", style=\"rounded,filled,dashed\", fillcolor=\"#f8e3d0\"" : "");
}

/* Marks what the selectors reach, also through other objects. */
static void reach(struct edges *edges)
{
    const struct recap_graph *graph = edges->graph;
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            edges->reached[graph->pds[p].slots[i].object] = true;
    do {
        edges->grown = false;
        for (size_t i = 0; i < graph->object_count; i++)
            if (edges->reached[i + 1])
                recap_value_objects(graph->objects[i].state, visit, edges);
    } while (edges->grown);
}

int dot_write(const struct recap_graph *graph, FILE *stream)
{
    struct edges edges = {.graph = graph, .reached = calloc(graph->object_count + 1, 1)};
    if (!edges.reached)
        return -ENOMEM;
    reach(&edges);
    fputs("digraph capabilities {\n"
          "  rankdir=LR;\n"
          "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f4f4\", "
          "fontname=\"Helvetica\", fontsize=10];\n"
          "  edge [color=\"#556677\", arrowsize=0.7];\n",
          stream);
    for (size_t p = 0; p < graph->pd_count; p++)
        write_pd(graph, p, stream);
    edges.stream = stream;
    for (size_t i = 0; i < graph->object_count; i++) {
        if (!edges.reached[i + 1])
            continue;
        write_object(&graph->objects[i], stream);
        edges.from = i + 1;
        recap_value_objects(graph->objects[i].state, visit, &edges);
    }
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            fprintf(stream, "  pd%zu:s%llu -> o%llu;\n", p,
                    (unsigned long long)graph->pds[p].slots[i].selector,
                    (unsigned long long)graph->pds[p].slots[i].object);
    fputs("}\n", stream);
    free(edges.reached);
    return ferror(stream) ? -EIO : 0;
}
